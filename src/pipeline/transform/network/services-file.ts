/** Names of ports and protocols, as in /etc/services and /etc/protocols. */
export interface ServiceNames {
  /** Protocol number → port → name; only protocols that have services at all. */
  readonly byProtocol: ReadonlyMap<number, ReadonlyMap<number, string>>;
  /** Port → name whatever the protocol, for protocols that are not in the protocols file. */
  readonly byPort: ReadonlyMap<number, string>;
  /** Numbers of the known protocols. */
  readonly protocols: ReadonlySet<number>;
  /** Number of a protocol's name or alias, in lower case. */
  readonly protocolNumbers: ReadonlyMap<string, number>;
}

const PORT_MAX = 65_535;
const PROTOCOL_MAX = 255;

/** Reads the two files; a missing one (undefined) is replaced by a table of well-known names. */
export function parseServiceNames(
  services: string | undefined,
  protocols: string | undefined,
): ServiceNames {
  const protocolNumbers = new Map<string, number>();
  for (const [name, value, ...aliases] of lines(protocols ?? WELL_KNOWN_PROTOCOLS)) {
    const number = wholeNumber(value, PROTOCOL_MAX);
    if (name === undefined || number === undefined) continue;
    for (const word of [name, ...aliases]) setOnce(protocolNumbers, word.toLowerCase(), number);
  }
  const byProtocol = new Map<number, Map<number, string>>();
  const byPort = new Map<number, string>();
  for (const [name, value] of lines(services ?? WELL_KNOWN_SERVICES)) {
    const [portText, protocolText] = value?.split('/') ?? [];
    const port = wholeNumber(portText, PORT_MAX);
    const protocol = protocolNumbers.get(protocolText?.toLowerCase() ?? '');
    if (name === undefined || port === undefined || protocol === undefined) continue;
    const ports = byProtocol.get(protocol) ?? new Map<number, string>();
    byProtocol.set(protocol, ports);
    setOnce(ports, port, name);
    setOnce(byPort, port, name);
  }
  return { byProtocol, byPort, protocols: new Set(protocolNumbers.values()), protocolNumbers };
}

/** Name of a port, undefined when the files have none for this protocol. */
export function serviceName(
  names: ServiceNames,
  protocol: number,
  port: number,
): string | undefined {
  if (!names.protocols.has(protocol)) return names.byPort.get(port);
  return names.byProtocol.get(protocol)?.get(port);
}

/** Words of each line that is neither empty nor a comment. */
function lines(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => line.split(/\s+/));
}

function wholeNumber(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const number = Number(text);
  return number <= max ? number : undefined;
}

// The first line that names a port wins, as it does for getservbyport.
function setOnce<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  if (!map.has(key)) map.set(key, value);
}

const WELL_KNOWN_PROTOCOLS = `
icmp 1 ICMP
tcp 6 TCP
udp 17 UDP
gre 47 GRE
esp 50 ESP
ah 51 AH
ipv6-icmp 58 IPv6-ICMP
sctp 132 SCTP
`;

const WELL_KNOWN_SERVICES = `
ftp-data 20/tcp
ftp 21/tcp
ssh 22/tcp
telnet 23/tcp
smtp 25/tcp
domain 53/tcp
domain 53/udp
bootps 67/udp
bootpc 68/udp
tftp 69/udp
http 80/tcp
kerberos 88/tcp
kerberos 88/udp
pop3 110/tcp
sunrpc 111/tcp
sunrpc 111/udp
ntp 123/udp
netbios-ns 137/udp
netbios-dgm 138/udp
netbios-ssn 139/tcp
imap2 143/tcp
snmp 161/udp
snmp-trap 162/udp
bgp 179/tcp
ldap 389/tcp
https 443/tcp
https 443/udp
microsoft-ds 445/tcp
isakmp 500/udp
syslog 514/udp
submission 587/tcp
ldaps 636/tcp
domain-s 853/tcp
imaps 993/tcp
pop3s 995/tcp
nfs 2049/tcp
mysql 3306/tcp
ms-wbt-server 3389/tcp
ipsec-nat-t 4500/udp
sip 5060/udp
mdns 5353/udp
postgresql 5432/tcp
amqp 5672/tcp
redis 6379/tcp
http-alt 8080/tcp
https-alt 8443/tcp
`;
