import { hookFact } from '../drain/layout.gen.ts';
import type { Link } from './link.ts';

/**
 * Where packets are born: which hooks of ours a packet can pass first. Pure: what is known of all
 * watched namespaces in, `enum hook_fact` of each interface out.
 *
 * Whatever cannot be told makes no birth. Then a flow counts where it was seen first, which is
 * right unless packets of one flow come by several ways.
 */

/** A namespace, its interfaces, and which of them have hooks, or are about to. */
export interface BirthSpace {
  readonly links: ReadonlyMap<number, Link>;
  readonly hooksOf: (index: number) => Hooked | undefined;
  /** Whether this is the namespace that `from` knows by the number `id`. */
  readonly isKnownAs: (id: number, from: this) => boolean;
}

export interface Hooked {
  readonly ingress: boolean;
  readonly egress: boolean;
}

/** An interface in its namespace. */
interface Place<S> {
  readonly space: S;
  readonly link: Link;
}

const { ingress: HAS_INGRESS, bornIngress: BORN_INGRESS, bornEgress: BORN_EGRESS } = hookFact;

/** What enters at one end left at the other. */
const PAIRS: ReadonlySet<string> = new Set(['veth', 'netkit']);
/** Their frames are those of the interface that they are on top of, for all that hooks see. */
const UPPERS: ReadonlySet<string> = new Set(['vlan', 'macvlan', 'macvtap', 'ipvlan', 'ipvtap']);
/** Their packets come and go by their ports. */
const MASTERS: ReadonlySet<string> = new Set(['bridge', 'bond', 'team', 'vrf']);
/** What comes in was wrapped at the other end: here, or on another machine. */
const TUNNELS: ReadonlySet<string> = new Set([
  ...['vxlan', 'geneve', 'bareudp', 'gtp', 'amt', 'wireguard', 'xfrm', 'vti', 'vti6'],
  ...['gre', 'gretap', 'erspan', 'ip6gre', 'ip6gretap', 'ip6erspan', 'ipip', 'sit', 'ip6tnl'],
]);
/** Packets come in from a process or a guest, which may have made them. */
const FROM_PROCESSES = 'tun';
/** ARPHRD_LOOPBACK: what comes in has gone out there. */
const LOOPBACK = 772;

const NONE: Hooked = { ingress: false, egress: false };

/**
 * Calls `tell` for each interface that has hooks. `readsTunnels`: hooks look into tunnels, and have
 * counted the packets inside before those come out.
 */
export function findBirths<S extends BirthSpace>(
  spaces: readonly S[],
  tell: (space: S, index: number, facts: number) => void,
  { readsTunnels }: { readonly readsTunnels: boolean },
): void {
  const map = new TopologyMap(spaces, readsTunnels);
  for (const space of spaces) {
    for (const link of space.links.values()) {
      const hooks = space.hooksOf(link.index);
      if (hooks === undefined) continue;
      const place = { space, link };
      tell(
        space,
        link.index,
        (hooks.ingress ? HAS_INGRESS : 0) |
          (map.isBornAtIngress(place) ? BORN_INGRESS : 0) |
          (map.isBornAtEgress(place) ? BORN_EGRESS : 0),
      );
    }
  }
}

class TopologyMap<S extends BirthSpace> {
  /** By number: candidates for what an interface of another namespace is linked to. */
  readonly #byIndex = new Map<number, Place<S>[]>();
  readonly #uppers = new Map<Link, Place<S>[]>();
  readonly #ports = new Map<Link, Place<S>[]>();
  /** Of each kind of tunnel: how many ends there are. */
  readonly #ends = new Map<string, number>();
  readonly #readsTunnels: boolean;

  constructor(spaces: readonly S[], readsTunnels: boolean) {
    this.#readsTunnels = readsTunnels;
    for (const space of spaces) {
      for (const link of space.links.values()) add(this.#byIndex, link.index, { space, link });
    }
    for (const space of spaces) {
      for (const link of space.links.values()) this.#join({ space, link });
    }
  }

  isBornAtIngress(place: Place<S>): boolean {
    const { driver, type } = place.link;
    if (type === LOOPBACK) return false;
    if (driver === '' || driver === FROM_PROCESSES) return true;
    if (PAIRS.has(driver)) return !hooksAt(this.#linked(place)).egress;
    // The only end here: the other one is elsewhere.
    if (TUNNELS.has(driver)) return !this.#readsTunnels && this.#ends.get(driver) === 1;
    if (MASTERS.has(driver)) {
      return !this.#of(this.#ports, place).some((port) => hooksAt(port).ingress);
    }
    if (!UPPERS.has(driver)) return false;
    // Those that share a lower one hand packets to each other past it.
    const lower = this.#linked(place);
    if (lower === undefined) return true;
    const siblings = this.#of(this.#uppers, lower).filter(({ link }) => link !== place.link);
    return !hooksAt(lower).ingress && !siblings.some((one) => hooksAt(one).egress);
  }

  isBornAtEgress(place: Place<S>): boolean {
    const { space, link } = place;
    if (this.#of(this.#uppers, place).some((upper) => hooksAt(upper).egress)) return false;
    if (link.master === 0) return true;
    const master = space.links.get(link.master);
    if (master === undefined || !MASTERS.has(master.driver)) return false;
    return !hooksAt({ space, link: master }).egress;
  }

  #join(place: Place<S>): void {
    const { space, link } = place;
    // Those that the kernel makes for each namespace are down.
    if (TUNNELS.has(link.driver) && link.up) {
      this.#ends.set(link.driver, (this.#ends.get(link.driver) ?? 0) + 1);
    }
    const lower = UPPERS.has(link.driver) ? this.#linked(place) : undefined;
    if (lower !== undefined) add(this.#uppers, lower.link, place);
    const master = link.master === 0 ? undefined : space.links.get(link.master);
    if (master !== undefined) add(this.#ports, master, place);
  }

  /** The other end of a pair, or what an interface is on top of, in a namespace that is watched. */
  #linked({ space, link }: Place<S>): Place<S> | undefined {
    if (link.link === 0) return undefined;
    if (link.peer < 0) {
      const other = space.links.get(link.link);
      return other === undefined ? undefined : { space, link: other };
    }
    const isPair = PAIRS.has(link.driver);
    return this.#byIndex.get(link.link)?.find((candidate) => {
      if (candidate.space === space) return false;
      // Numbers rule most of them out; the kernel is asked about the rest.
      if (isPair && !isEndOf(candidate.link, link)) return false;
      return candidate.space.isKnownAs(link.peer, space);
    });
  }

  #of(lists: ReadonlyMap<Link, Place<S>[]>, { link }: Place<S>): readonly Place<S>[] {
    return lists.get(link) ?? [];
  }
}

function isEndOf(end: Link, other: Link): boolean {
  return end.driver === other.driver && end.link === other.index && end.peer >= 0;
}

function hooksAt<S extends BirthSpace>(place: Place<S> | undefined): Hooked {
  return place?.space.hooksOf(place.link.index) ?? NONE;
}

function add<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
