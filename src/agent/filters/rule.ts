import { type Cidr, isMappedV4, V4_PREFIX } from '../../base/ip.ts';

/** As in the datapath. */
export const FILTER_RULES_MAX = 64;
/** Ports and ranges of ports in one rule, of all its keys. */
export const FILTER_RANGES_MAX = 16;

export type FilterAction = 'Accept' | 'Reject';
export type FilterDirection = 'Ingress' | 'Egress';
/** Whose port: the sender's, the receiver's, or one of the two. */
export type PortSide = 'source' | 'destination' | 'either';

export interface PortRange {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
}

/** What a packet has to be like, and what then becomes of it. What is undefined does not matter. */
export interface FilterRule {
  readonly action: FilterAction;
  /** Where one end of the packet is; undefined: anywhere, by either family. */
  readonly cidr: Cidr | undefined;
  /** Where the other end is. */
  readonly peer: Cidr | undefined;
  readonly direction: FilterDirection | undefined;
  readonly protocol: number | undefined;
  readonly ports: Readonly<Partial<Record<PortSide, readonly PortRange[]>>>;
  /** Any of these, TcpFlag; 0: does not matter. */
  readonly tcpFlags: number;
  readonly icmpType: number | undefined;
  readonly icmpCode: number | undefined;
  /** The flow has packets that the kernel dropped. */
  readonly drops: boolean;
  /** One packet in this many; 0: as all others. */
  readonly sample: number;
}

export function familyOf({ bytes, prefix }: Cidr): 4 | 6 {
  return isMappedV4(bytes) && prefix >= V4_PREFIX ? 4 : 6;
}

/** As it is written: 8 of `10.0.0.0/8`. */
export function prefixLength(cidr: Cidr | undefined): number {
  if (cidr === undefined) return 0;
  return familyOf(cidr) === 4 ? cidr.prefix - V4_PREFIX : cidr.prefix;
}

/** Packets that no rule matches are wanted: the rules only say what is not. */
export function keepsUnmatched(rules: readonly FilterRule[]): boolean {
  return rules.every((rule) => rule.action === 'Reject');
}

/** Some flows are only wanted if packets of theirs were dropped. */
export function dependsOnDrops(rules: readonly FilterRule[]): boolean {
  return rules.some((rule) => rule.drops && rule.action === 'Accept');
}
