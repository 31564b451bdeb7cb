import { ip, type Lab } from '../../support/lab/netns.ts';

/** Two hosts that communicate by IPsec, each a namespace at its end of a wire. */

export interface Way {
  readonly name: string;
  readonly family: 4 | 6;
  readonly mode: 'transport' | 'tunnel';
  /** ESP inside UDP (RFC 3948). */
  readonly isInUdp?: boolean;
}

export interface Fault {
  /** The far end's key differs from the near end's encryption key. */
  readonly hasWrongKey?: boolean;
  /** After this many packets, the near end's state is used up. */
  readonly packetsMax?: number;
  /** Frames of the near end are for another MAC: no far end decrypts. */
  readonly isLost?: boolean;
}

export interface Host {
  readonly namespace: string;
  readonly wire: string;
  /** Address of the wire; encrypted packets are between these. */
  readonly outer: string;
  /** The address that programs use: the same in transport mode. */
  readonly inner: string;
}

export const ENCAPSULATED_PORT = 4500;
const NOBODY = '02:00:00:00:00:99';

export class Secured {
  readonly way: Way;
  readonly near: Host;
  readonly far: Host;
  readonly #lab: Lab;

  constructor(lab: Lab, way: Way, index: number) {
    this.#lab = lab;
    this.way = way;
    const near = lab.namespace(`n${index}`);
    const far = lab.namespace(`f${index}`);
    const wires = lab.pair({ namespace: near }, { namespace: far });
    this.near = this.#host(near, wires[0], index, 1);
    this.far = this.#host(far, wires[1], index, 2);
  }

  /** Sets up the hosts, and the programs that take ESP out of UDP. */
  async secure(fault: Fault = {}): Promise<void> {
    for (const [own, other] of this.#ends()) this.#meet(own, other, fault);
    for (const [own, other] of this.#ends()) {
      this.#policies(own, other);
      this.#state(own, own, other, fault);
      this.#state(own, other, own, fault);
      if (this.way.isInUdp) await this.#lab.encapsulated(own.namespace, ENCAPSULATED_PORT);
    }
  }

  /** Packets that the near end has sent on the wire. */
  sent(): { packets: number; bytes: number } {
    const { txPackets, txBytes } = this.#lab.counters(this.near.namespace, this.near.wire);
    return { packets: txPackets, bytes: txBytes };
  }

  #ends(): readonly (readonly [Host, Host])[] {
    return [
      [this.near, this.far],
      [this.far, this.near],
    ];
  }

  #host(namespace: string, wire: string, index: number, last: number): Host {
    const { family, mode } = this.way;
    const address = (net: number): string =>
      family === 4 ? `10.${net}.${index}.${last}` : `fd00:${net}:${index}::${last}`;
    const outer = address(3);
    return { namespace, wire, outer, inner: mode === 'tunnel' ? address(4) : outer };
  }

  /** Addresses, routes and neighbours, so that nothing needs to be resolved. */
  #meet(own: Host, other: Host, { isLost = false }: Fault): void {
    const { family, mode } = this.way;
    const isFromNear = own === this.near;
    this.#lab.address(own.namespace, own.wire, `${own.outer}/${family === 4 ? 24 : 64}`);
    this.#lab.withoutOffloads(own.namespace, own.wire);
    const mac = isLost && isFromNear ? NOBODY : this.#lab.macOf(other.namespace, other.wire);
    const permanent = ['lladdr', mac, 'nud', 'permanent', 'dev', own.wire];
    ip('-n', own.namespace, 'neighbour', 'replace', other.outer, ...permanent);
    if (mode === 'transport') return;
    this.#lab.address(own.namespace, 'lo', `${own.inner}/${family === 4 ? 32 : 128}`);
    const route = ['via', other.outer, 'dev', own.wire, 'src', own.inner];
    ip('-n', own.namespace, 'route', 'add', other.inner, ...route);
  }

  #policies(own: Host, other: Host): void {
    const { mode } = this.way;
    for (const [from, to, direction] of [
      [own, other, 'out'],
      [other, own, 'in'],
    ] as const) {
      const template = ['tmpl', 'src', from.outer, 'dst', to.outer, 'proto', 'esp', 'mode', mode];
      const selector = ['src', from.inner, 'dst', to.inner, 'dir', direction];
      const priority = ['priority', '2'];
      ip('-n', own.namespace, 'xfrm', 'policy', 'add', ...selector, ...priority, ...template);
    }
    if (this.way.isInUdp) this.#letIn(own, other);
  }

  /** Packets that carry ESP are not encrypted themselves. */
  #letIn(own: Host, other: Host): void {
    const port = ['proto', 'udp', 'dport', `${ENCAPSULATED_PORT}`];
    const selector = ['src', other.outer, 'dst', own.outer, ...port, 'dir', 'in'];
    ip('-n', own.namespace, 'xfrm', 'policy', 'add', ...selector, 'priority', '1');
  }

  #state(at: Host, from: Host, to: Host, { hasWrongKey, packetsMax }: Fault): void {
    const { mode, isInUdp } = this.way;
    const isWrong = hasWrongKey === true && at === this.far && from === this.near;
    const key = `0x${(isWrong ? '22' : '11').repeat(20)}`;
    const spi = from === this.near ? '0x101' : '0x102';
    const id = ['src', from.outer, 'dst', to.outer, 'proto', 'esp', 'spi', spi, 'mode', mode];
    const port = `${ENCAPSULATED_PORT}`;
    const any = this.way.family === 4 ? '0.0.0.0' : '::';
    const encap = isInUdp ? ['encap', 'espinudp', port, port, any] : [];
    const limit =
      packetsMax !== undefined && at === this.near && from === this.near
        ? ['limit', 'packet-hard', `${packetsMax}`]
        : [];
    const cipher = ['aead', 'rfc4106(gcm(aes))', key, '128'];
    ip('-n', at.namespace, 'xfrm', 'state', 'add', ...id, ...cipher, ...encap, ...limit);
  }
}
