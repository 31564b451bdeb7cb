import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ip } from '../../support/lab/netns.ts';

/**
 * Kinds of interfaces that other interfaces carry. Each is made at both ends of a wire (a veth pair
 * between two namespaces) and has its own packets.
 */

/** One of the two ends of a wire, and the device on top of it. */
export interface End {
  readonly namespace: string;
  /** `n` for the near end, `f` for the far one: the first letter of its interfaces' names. */
  readonly side: 'n' | 'f';
  readonly wires: readonly string[];
  readonly device: string;
  /** The interface below siblings, in its namespace. */
  readonly parent?: { readonly namespace: string; readonly name: string };
  readonly otherNamespace: string;
  readonly otherDevice: string;
  /** Address of the device. */
  readonly address: string;
  /** Addresses of the wire’s ends, IPv4 and IPv6. */
  readonly own: string;
  readonly other: string;
  readonly own6: string;
  readonly other6: string;
  readonly otherMac: string;
}

export interface Kind {
  readonly name: string;
  /** Length of the device's link-layer header in bytes: Ethernet, or bare IP. */
  readonly linkBytes: 0 | 14;
  /**
   * Number of wires that are its ports; 0: packets go from device to device by themselves;
   * undefined: one wire, which has its own addresses.
   */
  readonly wires?: number | undefined;
  /** Bytes that packets have in addition on the wire. */
  readonly tagBytes?: number;
  /** The wire has other flows; opaque: nothing looks into its packets. */
  readonly wraps?: 'tunnel' | 'opaque';
  /** Both are on top of one interface of a third namespace. */
  readonly areSiblings?: boolean;
  /** Addresses are the wire's, and packets are routed by a separate table. */
  readonly isRouted?: boolean;
  /** Makes `device` at one end. */
  make(end: End): void;
}

const ETHERNET = 14;
const BARE_IP = 0;
const MACSEC_KEYS = { n: '01'.repeat(16), f: '02'.repeat(16) } as const;
const WIREGUARD_PORT = 51820;

/** `ip` in the end's namespace; the words of `text` are its arguments. */
export function run({ namespace }: Pick<End, 'namespace'>, text: string): void {
  ip('-n', namespace, ...text.split(' '));
}

/** On top of the wire, without further setup. */
function upper(name: string, type: string, tagBytes = 0): Kind {
  return {
    name,
    linkBytes: ETHERNET,
    tagBytes,
    make: (end) => run(end, `link add link ${end.wires[0]} name ${end.device} type ${type}`),
  };
}

/** In two namespaces, of one parent. */
function siblings(name: string, type: string): Kind {
  return {
    name,
    linkBytes: ETHERNET,
    wires: 0,
    areSiblings: true,
    make({ parent, namespace, device }) {
      const { name: lower, namespace: home } = parent!;
      run(
        { namespace: home },
        `link add link ${lower} name ${device} netns ${namespace} type ${type}`,
      );
    },
  };
}

/** Two ends of one pair. */
function netkit(mode: 'l2' | 'l3'): Kind {
  return {
    name: `netkit, ${mode.toUpperCase()}`,
    linkBytes: ETHERNET,
    wires: 0,
    make(end) {
      // The near end is the pair's primary one, and brings the other along.
      if (end.side === 'f') return;
      const peer = `peer name ${end.otherDevice} netns ${end.otherNamespace}`;
      run(end, `link add ${end.device} type netkit mode ${mode} ${peer}`);
    },
  };
}

function tunnel(name: string, linkBytes: 0 | 14, type: (end: End) => string): Kind {
  return {
    name,
    linkBytes,
    wraps: 'tunnel',
    make: (end) => run(end, `link add ${end.device} type ${type(end)}`),
  };
}

/** Between the addresses of the wire. */
const over4 = ({ own, other }: End): string => `local ${own} remote ${other}`;
const over6 = ({ own6, other6 }: End): string => `local ${own6} remote ${other6}`;

/** With the wires as its ports. */
function master(name: string, type: string, wires = 1): Kind {
  return {
    name,
    linkBytes: ETHERNET,
    wires,
    make(end) {
      run(end, `link add ${end.device} type ${type}`);
      for (const wire of end.wires) {
        run(end, `link set ${wire} down`);
        run(end, `link set ${wire} master ${end.device}`);
        run(end, `link set ${wire} up`);
      }
    },
  };
}

const bond = master('bond, active-backup', 'bond mode active-backup miimon 100', 2);
/** Both ends prefer one wire: a backup drops arriving packets, so ends that differ never meet. */
const activeBackup: Kind = {
  ...bond,
  make(end) {
    bond.make(end);
    run(end, `link set ${end.device} type bond primary ${end.wires[0]}`);
  },
};

const qinq: Kind = {
  name: 'qinq',
  linkBytes: ETHERNET,
  tagBytes: 8,
  make(end) {
    const outer = `${end.device}o`;
    run(end, `link add link ${end.wires[0]} name ${outer} type vlan proto 802.1ad id 7`);
    run(end, `link set ${outer} up`);
    run(end, `link add link ${outer} name ${end.device} type vlan id 43`);
  },
};

const macsec: Kind = {
  name: 'macsec',
  linkBytes: ETHERNET,
  wraps: 'opaque',
  make(end) {
    const [own, other] = end.side === 'n' ? (['n', 'f'] as const) : (['f', 'n'] as const);
    const channel = `macsec add ${end.device} rx port 1 address ${end.otherMac}`;
    run(end, `link add link ${end.wires[0]} name ${end.device} type macsec encrypt on`);
    run(end, `macsec add ${end.device} tx sa 0 pn 1 on key 00 ${MACSEC_KEYS[own]}`);
    run(end, channel);
    run(end, `${channel} sa 0 pn 1 on key 01 ${MACSEC_KEYS[other]}`);
  },
};

/** Keys are derived from the side, so that each end knows the other's. */
function wireguardKey(side: End['side']): string {
  return Buffer.alloc(32, side).toString('base64');
}

const wireguard: Kind = {
  name: 'wireguard',
  linkBytes: BARE_IP,
  wraps: 'tunnel',
  make(end) {
    const file = join(tmpdir(), `wireguard-${end.side}`);
    writeFileSync(file, wireguardKey(end.side), { mode: 0o600 });
    const input = wireguardKey(end.side === 'n' ? 'f' : 'n');
    const peer = execFileSync('wg', ['pubkey'], { input, encoding: 'utf8' }).trim();
    run(end, `link add ${end.device} type wireguard`);
    const options =
      `private-key ${file} listen-port ${WIREGUARD_PORT} peer ${peer} ` +
      `allowed-ips 0.0.0.0/0,::/0 endpoint ${end.other}:${WIREGUARD_PORT}`;
    ip('netns', 'exec', end.namespace, 'wg', 'set', end.device, ...options.split(' '));
  },
};

export const KINDS: readonly Kind[] = [
  upper('vlan', 'vlan id 42', 4),
  qinq,
  upper('macvlan, bridge', 'macvlan mode bridge'),
  upper('macvlan, private', 'macvlan mode private'),
  upper('ipvlan, L2', 'ipvlan mode l2'),
  siblings('macvlan siblings', 'macvlan mode bridge'),
  siblings('ipvlan siblings, L2', 'ipvlan mode l2'),
  siblings('ipvlan siblings, L3', 'ipvlan mode l3'),
  siblings('ipvlan siblings, L3S', 'ipvlan mode l3s'),
  netkit('l2'),
  netkit('l3'),
  { ...master('vrf', 'vrf table 10'), wires: undefined, isRouted: true },
  master('bridge', 'bridge'),
  activeBackup,
  master('bond, round robin', 'bond mode balance-rr miimon 100', 2),
  macsec,
  wireguard,
  tunnel('gre', BARE_IP, (end) => `gre ${over4(end)}`),
  tunnel('gretap', ETHERNET, (end) => `gretap ${over4(end)}`),
  tunnel('ip6gre', BARE_IP, (end) => `ip6gre ${over6(end)}`),
  tunnel('ipip', BARE_IP, (end) => `ipip ${over4(end)}`),
  tunnel('sit', BARE_IP, (end) => `sit ${over4(end)}`),
  tunnel('ip6tnl', BARE_IP, (end) => `ip6tnl mode any ${over6(end)}`),
  tunnel('vxlan', ETHERNET, (end) => `vxlan id 5 dstport 4789 ${over4(end)} dev ${end.wires[0]}`),
  tunnel(
    'vxlan over IPv6',
    ETHERNET,
    (end) => `vxlan id 5 dstport 4789 ${over6(end)} dev ${end.wires[0]}`,
  ),
  tunnel('geneve', ETHERNET, (end) => `geneve id 6 remote ${end.other}`),
];

/** Modules whose devices of that name the kernel makes in each new namespace: load them first. */
export const TUNNEL_MODULES = ['ip_gre', 'ip6_gre', 'ipip', 'sit', 'ip6_tunnel', 'bonding'];
