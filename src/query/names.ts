/**
 * Numbers that people write as names in filters. Ports and protocols are the common ones of the
 * IANA registries; whoever needs another writes its number.
 */
const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  'ipv6-icmp': 58,
  ospf: 89,
  vrrp: 112,
  sctp: 132,
  udplite: 136,
};

const SERVICES: Readonly<Record<string, number>> = {
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  dns: 53,
  domain: 53,
  dhcp: 67,
  tftp: 69,
  http: 80,
  kerberos: 88,
  pop3: 110,
  ntp: 123,
  imap: 143,
  snmp: 161,
  bgp: 179,
  ldap: 389,
  https: 443,
  syslog: 514,
  ldaps: 636,
  imaps: 993,
  pop3s: 995,
  mysql: 3306,
  rdp: 3389,
  postgresql: 5432,
  amqp: 5672,
  kubernetes: 6443,
  redis: 6379,
  mongodb: 27017,
};

const DIRECTIONS: Readonly<Record<string, number>> = { ingress: 0, egress: 1, inner: 2 };

const ETHERNET_TYPES: Readonly<Record<string, number>> = { ipv4: 0x0800, ipv6: 0x86dd };

/** Bits of the TCP flags; the last three are combinations that one packet carried. */
const TCP_FLAGS: Readonly<Record<string, number>> = {
  fin: 0x001,
  syn: 0x002,
  rst: 0x004,
  psh: 0x008,
  ack: 0x010,
  urg: 0x020,
  ece: 0x040,
  cwr: 0x080,
  syn_ack: 0x100,
  fin_ack: 0x200,
  rst_ack: 0x400,
};

/** The bit of a TCP flag by its name, ignoring case. */
export function flagOfName(text: string): number | undefined {
  const name = text.toLowerCase().replaceAll('-', '_');
  return Object.hasOwn(TCP_FLAGS, name) ? TCP_FLAGS[name] : undefined;
}

/** The number behind a name of a numeric field, ignoring case; undefined when there is none. */
export function numberOfName(field: string, text: string): number | undefined {
  const names = namesOf(field);
  const name = text.toLowerCase();
  return names !== undefined && Object.hasOwn(names, name) ? names[name] : undefined;
}

function namesOf(field: string): Readonly<Record<string, number>> | undefined {
  if (field.endsWith('Port')) return SERVICES;
  switch (field) {
    case 'Proto':
      return PROTOCOLS;
    case 'FlowDirection':
    case 'IfDirection':
    case 'IfDirections':
      return DIRECTIONS;
    case 'Etype':
      return ETHERNET_TYPES;
    default:
      return undefined;
  }
}
