import { hookFact } from '../drain/layout.gen.ts';
import type { Link } from './link.ts';

/**
 * Where packets are born: which of our hooks a packet can pass first. Pure: links of all watched
 * namespaces in, `enum hook_fact` of each interface out.
 *
 * Hooks may be on some interfaces only. Packets from an interface without a hook are born where
 * they are met, unless there are hooks behind it: they may come from another container, or have
 * passed the uplink.
 *
 * Unknown cases make no birth: the flow counts where it was seen first, which is right unless
 * packets of one flow take several paths.
 */

/** A namespace, its interfaces, and which of them have hooks, or are about to get them. */
export interface BirthSpace {
  readonly links: ReadonlyMap<number, Link>;
  readonly hooksOf: (index: number) => HookedDirections | undefined;
  /** Whether this is the namespace that `from` knows by the number `id`. */
  readonly isKnownAs: (id: number, from: this) => boolean;
}

export interface HookedDirections {
  readonly ingress: boolean;
  readonly egress: boolean;
}

/** An interface in its namespace. */
interface Place<S> {
  readonly space: S;
  readonly link: Link;
}

const { ingress: HAS_INGRESS, sharesFlows: SHARES_FLOWS } = hookFact;
const { bornIngress: BORN_INGRESS, bornEgress: BORN_EGRESS } = hookFact;

/** Packets that enter at one end left at the other. */
const PAIRS: ReadonlySet<string> = new Set(['veth', 'netkit']);
/** For everything that hooks see, their frames are those of the interface below them. */
const UPPERS: ReadonlySet<string> = new Set(['vlan', 'macvlan', 'macvtap', 'ipvlan', 'ipvtap']);
/** Their packets come and go through their ports. */
const MASTERS: ReadonlySet<string> = new Set(['bridge', 'bond', 'team', 'vrf']);
/** Masters that may send packets of one flow through any of their ports. */
const SPREADERS: ReadonlySet<string> = new Set(['bond', 'team']);
/** Incoming packets were wrapped at the other end: here, or on another machine. */
const TUNNELS: ReadonlySet<string> = new Set([
  ...['vxlan', 'geneve', 'bareudp', 'gtp', 'amt', 'wireguard', 'xfrm', 'vti', 'vti6'],
  ...['gre', 'gretap', 'erspan', 'ip6gre', 'ip6gretap', 'ip6erspan', 'ipip', 'sit', 'ip6tnl'],
]);
/** Packets come in from a process or a guest, which may have made them. */
const FROM_PROCESSES = 'tun';
/** Interfaces on top of each other: the kernel allows eight; outdated links may form loops. */
const STACK_MAX = 16;
/** ARPHRD_LOOPBACK: packets that come in have gone out there. */
const LOOPBACK = 772;

const NONE: HookedDirections = { ingress: false, egress: false };

/**
 * Calls `tell` for each interface that has hooks. `readsTunnels`: hooks look into tunnels, and have
 * counted the inner packets before those come out.
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
          (map.sharesFlows(place) ? SHARES_FLOWS : 0) |
          (map.isBornAtIngress(place) ? BORN_INGRESS : 0) |
          (map.isBornAtEgress(place) ? BORN_EGRESS : 0),
      );
    }
  }
}

class TopologyMap<S extends BirthSpace> {
  /** Interfaces by number: candidates for the other end of a link from another namespace. */
  readonly #byIndex = new Map<number, Place<S>[]>();
  readonly #uppers = new Map<Link, Place<S>[]>();
  readonly #ports = new Map<Link, Place<S>[]>();
  readonly #reached = new Map<S, ReadonlySet<S>>();
  readonly #hooked = new Map<S, ReadonlySet<Link>>();
  /** Number of ends of each kind of tunnel. */
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
    return this.#isFresh(place, place, STACK_MAX);
  }

  isBornAtEgress(place: Place<S>): boolean {
    const { space, link } = place;
    if (this.#of(this.#uppers, place).some((upper) => hooksAt(upper).egress)) return false;
    if (link.master === 0) return true;
    const master = space.links.get(link.master);
    if (master === undefined || !MASTERS.has(master.driver)) return false;
    return !hooksAt({ space, link: master }).egress;
  }

  /** Whether its master sends the packets of one flow by several ports. */
  sharesFlows({ space, link }: Place<S>): boolean {
    return SPREADERS.has(space.links.get(link.master)?.driver ?? '');
  }

  /** Whether packets that enter there on the way to `watched` cannot have passed our hooks. */
  #isFresh(place: Place<S>, watched: Place<S>, stackMax: number): boolean {
    const { driver, type } = place.link;
    if (type === LOOPBACK || stackMax === 0) return false;
    if (driver === '' || driver === FROM_PROCESSES) return true;
    // This is the only end here: the other one is elsewhere.
    if (TUNNELS.has(driver)) return !this.#readsTunnels && this.#ends.get(driver) === 1;
    if (PAIRS.has(driver)) {
      const end = this.#linked(place);
      return end === undefined || (!hooksAt(end).egress && !this.#isHookedBehind(end, watched));
    }
    const isFreshBelow = (lower: Place<S>): boolean =>
      !hooksAt(lower).ingress && this.#isFresh(lower, watched, stackMax - 1);
    if (MASTERS.has(driver)) return this.#of(this.#ports, place).every(isFreshBelow);
    if (!UPPERS.has(driver)) return false;
    // Interfaces on the same lower one pass packets to each other without using it.
    const lower = this.#linked(place);
    if (lower === undefined) return true;
    const siblings = this.#of(this.#uppers, lower).filter(({ link }) => link !== place.link);
    return isFreshBelow(lower) && !siblings.some((one) => hooksAt(one).egress);
  }

  /**
   * Whether there are hooks in the namespace of a pair's end, or in namespaces from which packets
   * get there through other pairs. Paths through the watched interface's own namespace do not
   * matter: packets from there count there.
   */
  #isHookedBehind(end: Place<S>, watched: Place<S>): boolean {
    const seen = new Set<S>([end.space, watched.space]);
    const found: S[] = [end.space];
    for (let space = found.pop(); space !== undefined; space = found.pop()) {
      if (this.#hasHooks(space, watched.link)) return true;
      for (const next of this.#neighbours(space)) {
        if (seen.has(next)) continue;
        seen.add(next);
        found.push(next);
      }
    }
    return false;
  }

  #hasHooks(space: S, but: Link): boolean {
    let hooked = this.#hooked.get(space);
    if (hooked === undefined) {
      hooked = new Set([...space.links.values()].filter((link) => isHooked(space, link)));
      this.#hooked.set(space, hooked);
    }
    return hooked.size > (hooked.has(but) ? 1 : 0);
  }

  /** Namespaces that an interface of this one, or one on top of it, reaches directly. */
  #neighbours(space: S): ReadonlySet<S> {
    const known = this.#reached.get(space);
    if (known !== undefined) return known;
    const reached = new Set<S>();
    for (const link of space.links.values()) {
      const isJoined = PAIRS.has(link.driver) || UPPERS.has(link.driver);
      const other = isJoined ? this.#linked({ space, link }) : undefined;
      if (other !== undefined) reached.add(other.space);
      for (const upper of this.#of(this.#uppers, { space, link })) reached.add(upper.space);
    }
    this.#reached.set(space, reached);
    return reached;
  }

  #join(place: Place<S>): void {
    const { space, link } = place;
    // Tunnel devices that the kernel creates for each namespace are down.
    if (TUNNELS.has(link.driver) && link.up) {
      this.#ends.set(link.driver, (this.#ends.get(link.driver) ?? 0) + 1);
    }
    const lower = UPPERS.has(link.driver) ? this.#linked(place) : undefined;
    if (lower !== undefined) add(this.#uppers, lower.link, place);
    const master = link.master === 0 ? undefined : space.links.get(link.master);
    if (master !== undefined) add(this.#ports, master, place);
  }

  /** The other end of a pair, or the interface below, in a watched namespace. */
  #linked({ space, link }: Place<S>): Place<S> | undefined {
    if (link.link === 0) return undefined;
    if (link.peer < 0) {
      const other = space.links.get(link.link);
      return other === undefined ? undefined : { space, link: other };
    }
    const isPair = PAIRS.has(link.driver);
    return this.#byIndex.get(link.link)?.find((candidate) => {
      if (candidate.space === space) return false;
      // Numbers exclude most of them; the kernel is asked about the rest.
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

function hooksAt<S extends BirthSpace>(place: Place<S> | undefined): HookedDirections {
  return place?.space.hooksOf(place.link.index) ?? NONE;
}

/** Loopback carries only copies of packets that stay. */
function isHooked(space: BirthSpace, link: Link): boolean {
  const { ingress, egress } = space.hooksOf(link.index) ?? NONE;
  return link.type !== LOOPBACK && (ingress || egress);
}

function add<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
