import { ip, type Lab, LINK_PREFIX } from './netns.ts';

/** Matches all interfaces that this process's labs make, in the syntax of `--interfaces`. */
export const ONLY_TESTS = `/^${LINK_PREFIX}${process.pid % 100_000}/`;

/** A wire between two namespaces, with the addresses of its ends: near first. */
export class LabPair {
  readonly a: string;
  readonly b: string;
  v4: readonly [string, string] = ['', ''];
  v6: readonly [string, string] = ['', ''];
  readonly #lab: Lab;
  readonly #left: string;
  readonly #right: string;

  constructor(lab: Lab, left: string, right: string) {
    [this.a, this.b] = lab.pair({ namespace: left }, { namespace: right });
    this.#lab = lab;
    this.#left = left;
    this.#right = right;
  }

  /**
   * Addresses below two prefixes, `10.1.0` and `fd00:1:`. IPv4 neighbours are preset, so that ARP,
   * which is not in any flow, is not on the wire.
   */
  giveAddresses(v4: string, v6?: string): void {
    this.v4 = [`${v4}.1`, `${v4}.2`];
    const ends = [
      [this.#left, this.a, 0],
      [this.#right, this.b, 1],
    ] as const;
    for (const [namespace, name, at] of ends) {
      this.#lab.address(namespace, name, `${this.v4[at]}/24`);
    }
    for (const [namespace, name, at] of ends) {
      const [otherNamespace, otherName] = ends[1 - at]!;
      const [link] = JSON.parse(
        ip('-n', otherNamespace, '-j', 'link', 'show', 'dev', otherName),
      ) as [{ address: string }];
      const neighbour = [this.v4[1 - at]!, 'lladdr', link.address, 'nud', 'permanent'];
      ip('-n', namespace, 'neighbour', 'add', ...neighbour, 'dev', name);
    }
    if (v6 === undefined) return;
    this.v6 = [`${v6}:1`, `${v6}:2`];
    for (const [namespace, name, at] of ends) {
      this.#lab.address(namespace, name, `${this.v6[at]}/64`);
    }
  }

  /** The near end's received and sent totals since it was made. */
  counted(): { readonly packets: number; readonly bytes: number } {
    const { rxPackets, rxBytes, txPackets, txBytes } = this.#lab.counters(this.#left, this.a);
    return { packets: rxPackets + txPackets, bytes: rxBytes + txBytes };
  }
}
