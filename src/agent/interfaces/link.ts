/** An interface as the kernel last described it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** ARPHRD_*: what kind of frames it carries. */
  readonly type: number;
  /** Administratively up. A tun device, whose operational state is unknown, counts as well. */
  readonly up: boolean;
  /** Link-layer address as text, empty without one. */
  readonly mac: string;
  /** The linked interface's namespace, as this one numbers it; -1: this one, or none. */
  readonly peer: number;
  /** Its driver, see `NetlinkEvent`. */
  readonly driver: string;
  readonly link: number;
  readonly master: number;
  /** 16 bytes each; filled only where rules need addresses. */
  readonly addresses: readonly Uint8Array[];
}

/** The layer at which an interface's frames begin. */
export type Framing = 'l2' | 'l3';

/** ARPHRD_* numbers of linux/if_arp.h. */
const ETHERNET_TYPES: ReadonlySet<number> = new Set([
  1, // ETHER: also veth, bridges, bonds, Wi-Fi
  772, // LOOPBACK, which has an Ethernet header of zeros
]);
const IP_TYPES: ReadonlySet<number> = new Set([
  512, // PPP
  519, // RAWIP: cellular modems
  768, // TUNNEL: IP in IP
  769, // TUNNEL6
  776, // SIT
  778, // IPGRE
  823, // IP6GRE
  0xfffe, // NONE: tun, WireGuard
]);

/** Undefined: frames that the hooks cannot read (CAN, InfiniBand, monitors …). */
export function framingOf(type: number): Framing | undefined {
  if (ETHERNET_TYPES.has(type)) return 'l2';
  return IP_TYPES.has(type) ? 'l3' : undefined;
}
