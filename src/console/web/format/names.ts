/** IANA names of the protocols that a host meets; others are shown by number. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  0: 'HOPOPT',
  1: 'ICMP',
  2: 'IGMP',
  4: 'IPv4',
  6: 'TCP',
  8: 'EGP',
  17: 'UDP',
  33: 'DCCP',
  41: 'IPv6',
  46: 'RSVP',
  47: 'GRE',
  50: 'ESP',
  51: 'AH',
  58: 'IPv6-ICMP',
  88: 'EIGRP',
  89: 'OSPF',
  94: 'IPIP',
  97: 'ETHERIP',
  103: 'PIM',
  108: 'IPComp',
  112: 'VRRP',
  115: 'L2TP',
  132: 'SCTP',
  136: 'UDPLite',
  137: 'MPLS-in-IP',
};

/** RFC 2474, 2597, 3246, 5865, 8622. */
const DSCP: Readonly<Record<number, string>> = {
  0: 'CS0',
  1: 'LE',
  8: 'CS1',
  10: 'AF11',
  12: 'AF12',
  14: 'AF13',
  16: 'CS2',
  18: 'AF21',
  20: 'AF22',
  22: 'AF23',
  24: 'CS3',
  26: 'AF31',
  28: 'AF32',
  30: 'AF33',
  32: 'CS4',
  34: 'AF41',
  36: 'AF42',
  38: 'AF43',
  40: 'CS5',
  44: 'VA',
  46: 'EF',
  48: 'CS6',
  56: 'CS7',
};

const ETHER_TYPES: Readonly<Record<number, string>> = {
  2048: 'IPv4',
  2054: 'ARP',
  34525: 'IPv6',
};

const DIRECTIONS: Readonly<Record<number, string>> = { 0: 'Ingress', 1: 'Egress', 2: 'Inner' };

/** Ports that people know by name, for when the configuration doesn't name them. */
const PORTS: Readonly<Record<number, string>> = {
  20: 'ftp-data',
  21: 'ftp',
  22: 'ssh',
  23: 'telnet',
  25: 'smtp',
  53: 'dns',
  67: 'dhcp-server',
  68: 'dhcp-client',
  69: 'tftp',
  80: 'http',
  88: 'kerberos',
  110: 'pop3',
  111: 'rpcbind',
  123: 'ntp',
  137: 'netbios-ns',
  138: 'netbios-dgm',
  139: 'netbios-ssn',
  143: 'imap',
  161: 'snmp',
  162: 'snmptrap',
  179: 'bgp',
  389: 'ldap',
  443: 'https',
  445: 'smb',
  465: 'smtps',
  500: 'isakmp',
  514: 'syslog',
  546: 'dhcpv6-client',
  547: 'dhcpv6-server',
  587: 'submission',
  636: 'ldaps',
  853: 'dns-tls',
  873: 'rsync',
  993: 'imaps',
  995: 'pop3s',
  1194: 'openvpn',
  1433: 'mssql',
  1521: 'oracle',
  1812: 'radius',
  1883: 'mqtt',
  2049: 'nfs',
  2055: 'netflow',
  2379: 'etcd',
  2380: 'etcd-peer',
  3100: 'loki',
  3128: 'proxy',
  3306: 'mysql',
  3389: 'rdp',
  4317: 'otlp-grpc',
  4318: 'otlp-http',
  4500: 'ipsec-nat',
  4739: 'ipfix',
  4789: 'vxlan',
  5201: 'iperf3',
  5353: 'mdns',
  5355: 'llmnr',
  5432: 'postgres',
  5672: 'amqp',
  5900: 'vnc',
  6081: 'geneve',
  6343: 'sflow',
  6379: 'redis',
  6443: 'kube-api',
  8080: 'http-alt',
  8443: 'https-alt',
  9000: 'clickhouse',
  9001: 'netobserv',
  9090: 'prometheus',
  9092: 'kafka',
  9093: 'alertmanager',
  9100: 'node-exporter',
  9200: 'elasticsearch',
  10250: 'kubelet',
  11211: 'memcached',
  27017: 'mongodb',
  51820: 'wireguard',
};

/** Bit order of the reference agent: the TCP header's eight, then its three combinations. */
const TCP_FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [1, 'FIN'],
  [2, 'SYN'],
  [4, 'RST'],
  [8, 'PSH'],
  [16, 'ACK'],
  [32, 'URG'],
  [64, 'ECE'],
  [128, 'CWR'],
  [256, 'SYN_ACK'],
  [512, 'FIN_ACK'],
  [1024, 'RST_ACK'],
];

const ICMP_V4: Readonly<Record<number, string>> = {
  0: 'echo reply',
  3: 'unreachable',
  4: 'source quench',
  5: 'redirect',
  8: 'echo request',
  9: 'router advert',
  10: 'router solicit',
  11: 'time exceeded',
  12: 'parameter problem',
  13: 'timestamp',
  14: 'timestamp reply',
};

const ICMP_V6: Readonly<Record<number, string>> = {
  1: 'unreachable',
  2: 'packet too big',
  3: 'time exceeded',
  4: 'parameter problem',
  128: 'echo request',
  129: 'echo reply',
  130: 'multicast query',
  131: 'multicast report',
  133: 'router solicit',
  134: 'router advert',
  135: 'neighbour solicit',
  136: 'neighbour advert',
  137: 'redirect',
  143: 'multicast report v2',
};

const IPPROTO_ICMPV6 = 58;

export function protocolName(number: number): string {
  return PROTOCOLS[number] ?? String(number);
}

export function dscpName(number: number): string {
  return DSCP[number] ?? String(number);
}

export function etherTypeName(number: number): string {
  return ETHER_TYPES[number] ?? `0x${number.toString(16).padStart(4, '0')}`;
}

export function directionName(number: number): string {
  return DIRECTIONS[number] ?? String(number);
}

export function icmpTypeName(type: number, protocol: unknown): string {
  const table = protocol === IPPROTO_ICMPV6 ? ICMP_V6 : ICMP_V4;
  return table[type] ?? String(type);
}

/** Names of the bits set, lowest first; bits without a name as a number. */
export function tcpFlagNames(mask: number): readonly string[] {
  const names: string[] = [];
  let rest = mask;
  for (const [bit, name] of TCP_FLAGS) {
    if ((rest & bit) === 0) continue;
    names.push(name);
    rest &= ~bit;
  }
  if (rest !== 0) names.push(String(rest));
  return names;
}

/** The service that a port usually means; undefined when none is known. */
export function portName(
  port: number,
  named: Readonly<Record<string, string>>,
): string | undefined {
  return named[String(port)] ?? PORTS[port];
}

/** `[fd00::1]:443`, `10.0.0.1:443`. */
export function joinAddressPort(address: string, port: unknown): string {
  if (port === undefined || port === '' || port === 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
