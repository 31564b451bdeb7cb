import { type Cidr, isMappedV4, V4_PREFIX } from '../../base/ip.ts';

/** The same limit as in the datapath. */
export const FILTER_RULES_MAX = 64;
/** Ports and ranges of ports in all keys of one rule. */
export const FILTER_RANGES_MAX = 16;

export type FilterAction = 'Accept' | 'Reject';
export type FilterDirection = 'Ingress' | 'Egress';
/** The end that has the port: the sender, the receiver, or either. */
export type PortSide = 'source' | 'destination' | 'either';

export interface PortRange {
  readonly first: number;
  /** Inclusive end of the range. */
  readonly last: number;
}

/** Conditions on a packet, and the action. Undefined conditions are ignored. */
export interface FilterRule {
  readonly action: FilterAction;
  /** The address of one end of the packet; undefined: any address, of either family. */
  readonly cidr: Cidr | undefined;
  /** The address of the other end. */
  readonly peer: Cidr | undefined;
  readonly direction: FilterDirection | undefined;
  readonly protocol: number | undefined;
  readonly ports: Readonly<Partial<Record<PortSide, readonly PortRange[]>>>;
  /** Any of these flags, TcpFlag; 0: flags are ignored. */
  readonly tcpFlags: number;
  readonly icmpType: number | undefined;
  readonly icmpCode: number | undefined;
  /** The flow has packets that the kernel dropped. */
  readonly drops: boolean;
  /** One packet in this many; 0: the same as all others. */
  readonly sample: number;
}

export function familyOf({ bytes, prefix }: Cidr): 4 | 6 {
  return isMappedV4(bytes) && prefix >= V4_PREFIX ? 4 : 6;
}

/** As written: 8 in `10.0.0.0/8`. */
export function prefixLength(cidr: Cidr | undefined): number {
  if (cidr === undefined) return 0;
  return familyOf(cidr) === 4 ? cidr.prefix - V4_PREFIX : cidr.prefix;
}

/** Packets that no rule matches are wanted: the rules only exclude packets. */
export function keepsUnmatched(rules: readonly FilterRule[]): boolean {
  return rules.every((rule) => rule.action === 'Reject');
}

/** Some flows are only wanted if some of their packets were dropped. */
export function dependsOnDrops(rules: readonly FilterRule[]): boolean {
  return rules.some((rule) => rule.drops && rule.action === 'Accept');
}
