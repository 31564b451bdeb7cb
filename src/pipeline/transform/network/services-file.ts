import { NAMES } from '../../../flow/enums.ts';
import { WELL_KNOWN_PORTS } from '../../../flow/ports.ts';

/** Names of ports and protocols, as in /etc/services and /etc/protocols. */
export interface ServiceNames {
  /** Protocol number → port → name; only protocols with services. */
  readonly byProtocol: ReadonlyMap<number, ReadonlyMap<number, string>>;
  /** Port → name for any protocol, for protocols that are not in the protocols file. */
  readonly byPort: ReadonlyMap<number, string>;
  /** Numbers of the known protocols. */
  readonly protocols: ReadonlySet<number>;
}

const PORT_MAX = 65_535;
const PROTOCOL_MAX = 255;

/** Reads the two files; built-in names replace a missing one (undefined). */
export function parseServiceNames(
  services: string | undefined,
  protocols: string | undefined,
): ServiceNames {
  const numbers = protocols === undefined ? knownProtocols() : parseProtocols(protocols);
  const byProtocol = new Map<number, Map<number, string>>();
  const byPort = new Map<number, string>();
  for (const service of services === undefined ? knownServices() : parseServices(services)) {
    const protocol = numbers.get(service.protocol.toLowerCase());
    if (protocol === undefined) continue;
    const ports = byProtocol.get(protocol) ?? new Map<number, string>();
    byProtocol.set(protocol, ports);
    setOnce(ports, service.port, service.name);
    setOnce(byPort, service.port, service.name);
  }
  return { byProtocol, byPort, protocols: new Set(numbers.values()) };
}

interface Service {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}

function* parseServices(text: string): Iterable<Service> {
  for (const [name, value] of lines(text)) {
    const [portText, protocol] = value?.split('/') ?? [];
    const port = wholeNumber(portText, PORT_MAX);
    if (name === undefined || port === undefined || protocol === undefined) continue;
    yield { name, port, protocol };
  }
}

function* knownServices(): Iterable<Service> {
  for (const { port, over, name, registered = name } of WELL_KNOWN_PORTS) {
    for (const protocol of over) yield { name: registered, port, protocol };
  }
}

/** Number of each protocol's name and aliases, in lower case. */
function parseProtocols(text: string): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const [name, value, ...aliases] of lines(text)) {
    const number = wholeNumber(value, PROTOCOL_MAX);
    if (name === undefined || number === undefined) continue;
    for (const word of [name, ...aliases]) setOnce(numbers, word.toLowerCase(), number);
  }
  return numbers;
}

function knownProtocols(): ReadonlyMap<string, number> {
  return new Map(NAMES.protocol.entries.map(([number, name]) => [name.toLowerCase(), number]));
}

/** Words of each line that is not empty or a comment. */
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

// The first line that names a port wins, as in getservbyport.
function setOnce<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  if (!map.has(key)) map.set(key, value);
}
