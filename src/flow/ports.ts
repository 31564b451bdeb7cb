/** A port whose service is widely known by name, regardless of a host's own files. */
export interface WellKnownPort {
  readonly port: number;
  /** Transport protocols, by their names in `enums.ts`, that the service runs over. */
  readonly over: readonly ('TCP' | 'UDP')[];
  /** The name that is shown. */
  readonly name: string;
  /** The name in /etc/services, if it differs. */
  readonly registered?: string;
  /** Other names that people type. */
  readonly aliases?: readonly string[];
}

const TCP = ['TCP'] as const;
const UDP = ['UDP'] as const;
const BOTH = ['TCP', 'UDP'] as const;

export const WELL_KNOWN_PORTS: readonly WellKnownPort[] = [
  { port: 20, over: TCP, name: 'ftp-data' },
  { port: 21, over: TCP, name: 'ftp' },
  { port: 22, over: TCP, name: 'ssh' },
  { port: 23, over: TCP, name: 'telnet' },
  { port: 25, over: TCP, name: 'smtp' },
  { port: 53, over: BOTH, name: 'dns', registered: 'domain' },
  { port: 67, over: UDP, name: 'dhcp-server', registered: 'bootps', aliases: ['dhcp'] },
  { port: 68, over: UDP, name: 'dhcp-client', registered: 'bootpc' },
  { port: 69, over: UDP, name: 'tftp' },
  { port: 80, over: TCP, name: 'http' },
  { port: 88, over: BOTH, name: 'kerberos' },
  { port: 110, over: TCP, name: 'pop3' },
  { port: 111, over: BOTH, name: 'rpcbind', registered: 'sunrpc' },
  { port: 123, over: UDP, name: 'ntp' },
  { port: 137, over: UDP, name: 'netbios-ns' },
  { port: 138, over: UDP, name: 'netbios-dgm' },
  { port: 139, over: TCP, name: 'netbios-ssn' },
  { port: 143, over: TCP, name: 'imap', registered: 'imap2' },
  { port: 161, over: UDP, name: 'snmp' },
  { port: 162, over: UDP, name: 'snmptrap', registered: 'snmp-trap' },
  { port: 179, over: TCP, name: 'bgp' },
  { port: 389, over: TCP, name: 'ldap' },
  { port: 443, over: BOTH, name: 'https' },
  { port: 445, over: TCP, name: 'smb', registered: 'microsoft-ds' },
  { port: 465, over: TCP, name: 'smtps', registered: 'submissions' },
  { port: 500, over: UDP, name: 'isakmp' },
  { port: 514, over: UDP, name: 'syslog' },
  { port: 546, over: UDP, name: 'dhcpv6-client' },
  { port: 547, over: UDP, name: 'dhcpv6-server' },
  { port: 587, over: TCP, name: 'submission' },
  { port: 636, over: TCP, name: 'ldaps' },
  { port: 853, over: TCP, name: 'dns-tls', registered: 'domain-s' },
  { port: 873, over: TCP, name: 'rsync' },
  { port: 993, over: TCP, name: 'imaps' },
  { port: 995, over: TCP, name: 'pop3s' },
  { port: 1194, over: BOTH, name: 'openvpn' },
  { port: 1433, over: TCP, name: 'mssql', registered: 'ms-sql-s' },
  { port: 1521, over: TCP, name: 'oracle' },
  { port: 1812, over: UDP, name: 'radius' },
  { port: 1883, over: TCP, name: 'mqtt' },
  { port: 2049, over: TCP, name: 'nfs' },
  { port: 2055, over: UDP, name: 'netflow' },
  { port: 2379, over: TCP, name: 'etcd' },
  { port: 2380, over: TCP, name: 'etcd-peer' },
  { port: 3100, over: TCP, name: 'loki' },
  { port: 3128, over: TCP, name: 'proxy' },
  { port: 3306, over: TCP, name: 'mysql' },
  { port: 3389, over: TCP, name: 'rdp', registered: 'ms-wbt-server' },
  { port: 4317, over: TCP, name: 'otlp-grpc' },
  { port: 4318, over: TCP, name: 'otlp-http' },
  { port: 4500, over: UDP, name: 'ipsec-nat', registered: 'ipsec-nat-t' },
  { port: 4739, over: BOTH, name: 'ipfix' },
  { port: 4789, over: UDP, name: 'vxlan' },
  { port: 5060, over: UDP, name: 'sip' },
  { port: 5201, over: BOTH, name: 'iperf3' },
  { port: 5353, over: UDP, name: 'mdns' },
  { port: 5355, over: UDP, name: 'llmnr' },
  { port: 5432, over: TCP, name: 'postgres', registered: 'postgresql' },
  { port: 5672, over: TCP, name: 'amqp' },
  { port: 5900, over: TCP, name: 'vnc' },
  { port: 6081, over: UDP, name: 'geneve' },
  { port: 6343, over: UDP, name: 'sflow' },
  { port: 6379, over: TCP, name: 'redis' },
  { port: 6443, over: TCP, name: 'kube-api', aliases: ['kubernetes'] },
  { port: 8080, over: TCP, name: 'http-alt' },
  { port: 8443, over: TCP, name: 'https-alt' },
  { port: 9000, over: TCP, name: 'clickhouse' },
  { port: 9001, over: TCP, name: 'netobserv' },
  { port: 9090, over: TCP, name: 'prometheus' },
  { port: 9092, over: TCP, name: 'kafka' },
  { port: 9093, over: TCP, name: 'alertmanager' },
  { port: 9100, over: TCP, name: 'node-exporter' },
  { port: 9200, over: TCP, name: 'elasticsearch' },
  { port: 10_250, over: TCP, name: 'kubelet' },
  { port: 11_211, over: TCP, name: 'memcached' },
  { port: 27_017, over: TCP, name: 'mongodb' },
  { port: 51_820, over: UDP, name: 'wireguard' },
];

const byPort = new Map(WELL_KNOWN_PORTS.map(({ port, name }) => [port, name]));

const byName = new Map(
  WELL_KNOWN_PORTS.flatMap(({ port, name, registered = name, aliases = [] }) =>
    [name, registered, ...aliases].map((each) => [each, port] as const),
  ),
);

/** The service that a port usually means. */
export function serviceOfPort(port: number): string | undefined {
  return byPort.get(port);
}

/** The port of a service by any of its names, ignoring case. */
export function portOfService(name: string): number | undefined {
  return byName.get(name.toLowerCase());
}
