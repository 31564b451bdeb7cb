import { spawnSync } from 'node:child_process';
import { ip, type Lab } from '../../support/lab/netns.ts';
import { type End, type Kind, run } from './kinds.ts';

const REACH_TRIES_MAX = 10;
const DEVICES = ['n-device', 'f-device'] as const;

/** Packets and bytes, sent and received. */
export interface Sum {
  readonly packets: number;
  readonly bytes: number;
}

/** A pair of namespaces, the wires between them, and a device of one kind on top at each end. */
export class Bed {
  readonly kind: Kind;
  readonly near: End;
  readonly far: End;
  readonly #lab: Lab;

  constructor(lab: Lab, kind: Kind, index: number) {
    this.#lab = lab;
    this.kind = kind;
    const near = lab.namespace(`n${index}`);
    const far = lab.namespace(`f${index}`);
    const wires = Array.from({ length: kind.wires ?? 1 }, (_, at) => makeWire(near, far, at));
    const macs = [near, far].map((space, at) =>
      wires.length === 0 ? '' : lab.macOf(space, wires[0]![at]!),
    );
    const parent = kind.areSiblings ? makeParent(lab, index) : undefined;
    const endOf = (at: 0 | 1): End => ({
      namespace: at === 0 ? near : far,
      side: at === 0 ? 'n' : 'f',
      wires: wires.map((pair) => pair[at]),
      device: DEVICES[at],
      otherNamespace: at === 0 ? far : near,
      otherDevice: DEVICES[1 - at]!,
      address: `10.2.${index}.${1 + at}`,
      own: `10.1.${index}.${1 + at}`,
      other: `10.1.${index}.${2 - at}`,
      own6: `fd00:1:${index}::${1 + at}`,
      other6: `fd00:1:${index}::${2 - at}`,
      otherMac: macs[1 - at]!,
      ...(parent === undefined ? {} : { parent }),
    });
    this.near = endOf(0);
    this.far = endOf(1);
    for (const end of this.ends) this.#make(end);
    this.#introduce(this.near, this.far);
    this.#introduce(this.far, this.near);
    this.#reach();
  }

  get ends(): readonly [End, End] {
    return [this.near, this.far];
  }

  /** The totals on the wires so far, by the counters of their near ends. */
  onWires(): Sum {
    const { namespace, wires } = this.near;
    const counters = wires.map((wire) => this.#lab.counters(namespace, wire));
    return {
      packets: counters.reduce((sum, one) => sum + one.rxPackets + one.txPackets, 0),
      bytes: counters.reduce((sum, one) => sum + one.rxBytes + one.txBytes, 0),
    };
  }

  #make(end: End): void {
    const { namespace, device, wires } = end;
    for (const wire of wires) this.#lab.withoutOffloads(namespace, wire);
    if (this.kind.wires === undefined && !this.kind.isRouted) {
      this.#lab.address(namespace, wires[0]!, `${end.own}/24`);
      this.#lab.address(namespace, wires[0]!, `${end.own6}/64`);
      for (const other of [end.other, end.other6]) {
        run(end, `neighbour replace ${other} lladdr ${end.otherMac} nud permanent dev ${wires[0]}`);
      }
    }
    this.kind.make(end);
    this.#lab.withoutOffloads(namespace, device);
    run(end, `link set ${device} up`);
    this.#lab.address(namespace, this.kind.isRouted ? wires[0]! : device, `${end.address}/24`);
  }

  /** Avoids ARP requests. */
  #introduce(end: End, other: End): void {
    if (this.kind.linkBytes === 0) return;
    if (this.kind.isRouted) {
      this.#routeTo(end, other);
      return;
    }
    const mac = this.#lab.macOf(other.namespace, other.device);
    run(end, `neighbour replace ${other.address} lladdr ${mac} nud permanent dev ${end.device}`);
  }

  /** Sockets outside any table send to the device, and receive packets of its table. */
  #routeTo({ namespace, device, wires, otherMac }: End, other: End): void {
    for (const protocol of ['tcp', 'udp']) {
      this.#lab.inside(namespace, 'sysctl', '-qw', `net.ipv4.${protocol}_l3mdev_accept=1`);
    }
    run({ namespace }, `route add ${other.address} dev ${device}`);
    for (const name of [device, wires[0]]) {
      const target = `${other.address} lladdr ${otherMac} nud permanent`;
      run({ namespace }, `neighbour replace ${target} dev ${name}`);
    }
  }

  /** Ports need some time until they forward, and tunnels until their ends have met. */
  #reach(): void {
    for (let i = 0; i < REACH_TRIES_MAX; i++) {
      const ping = ['ping', '-qc', '1', '-W', '1', this.far.address];
      const tried = spawnSync('ip', ['netns', 'exec', this.near.namespace, ...ping]);
      if (tried.status === 0) return;
    }
    throw new Error(`${this.kind.name}: the far end does not answer`);
  }
}

function makeParent(lab: Lab, index: number): NonNullable<End['parent']> {
  const namespace = lab.namespace(`p${index}`);
  const [name] = lab.pair({ namespace }, { namespace });
  return { namespace, name };
}

function makeWire(near: string, far: string, index: number): readonly [string, string] {
  const names = [`n-wire${index}`, `f-wire${index}`] as const;
  const peer = ['peer', 'name', names[1], 'netns', far];
  ip('-n', near, 'link', 'add', names[0], 'type', 'veth', ...peer);
  ip('-n', near, 'link', 'set', names[0], 'up');
  ip('-n', far, 'link', 'set', names[1], 'up');
  return names;
}
