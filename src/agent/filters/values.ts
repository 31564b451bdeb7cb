import { type Cidr, parseAddress, parseCidr } from '../../base/ip.ts';
import { closest } from '../../base/suggest.ts';
import { Protocol, TcpFlag } from '../../flow/enums.ts';
import type { PortRange } from './rule.ts';

/**
 * Values of keys. JSON has numbers and lists where a command line has text, so both are accepted.
 * An unreadable value gives a text that describes the expected one.
 */
export type Read<T> = { readonly value: T } | { readonly problem: string };

const PROTOCOLS = {
  TCP: Protocol.TCP,
  UDP: Protocol.UDP,
  SCTP: Protocol.SCTP,
  ICMP: Protocol.ICMP,
  ICMPv6: Protocol['IPv6-ICMP'],
} as const;

/** `netobserv-ebpf-agent` uses PUSH where its documentation, like everybody else, has PSH. */
const TCP_FLAGS = {
  SYN: TcpFlag.SYN,
  'SYN-ACK': TcpFlag.SYN_ACK,
  ACK: TcpFlag.ACK,
  FIN: TcpFlag.FIN,
  'FIN-ACK': TcpFlag.FIN_ACK,
  RST: TcpFlag.RST,
  'RST-ACK': TcpFlag.RST_ACK,
  PSH: TcpFlag.PSH,
  PUSH: TcpFlag.PSH,
  URG: TcpFlag.URG,
  ECE: TcpFlag.ECE,
  CWR: TcpFlag.CWR,
} as const;

const PORT_MAX = 65_535;
const PORT_FORMS = '80, "80", "80,443", "8000-8080" or [80, "8000-8080"]';

export function readWord<Word extends string>(value: unknown, words: readonly Word[]): Read<Word> {
  const text = typeof value === 'string' ? value.trim() : undefined;
  const found = words.find((word) => word.toLowerCase() === text?.toLowerCase());
  if (found !== undefined) return { value: found };
  const meant = text === undefined ? undefined : closest(text, words);
  const hint = meant === undefined ? '' : `, did you mean ${meant}?`;
  return { problem: `${quote(value)} is none of ${words.join(', ')}${hint}` };
}

export function readProtocol(value: unknown): Read<number> {
  const word = readWord(value, Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[]);
  return 'problem' in word ? word : { value: PROTOCOLS[word.value] };
}

export function readTcpFlags(value: unknown): Read<number> {
  let flags = 0;
  for (const item of items(value)) {
    const word = readWord(item, Object.keys(TCP_FLAGS) as (keyof typeof TCP_FLAGS)[]);
    if ('problem' in word) return word;
    flags |= TCP_FLAGS[word.value];
  }
  return { value: flags };
}

export function readCidr(value: unknown): Read<Cidr> {
  const cidr = typeof value === 'string' ? parseCidr(value.trim()) : undefined;
  if (cidr !== undefined) return { value: cidr };
  return { problem: `${quote(value)} is not a CIDR, such as 10.0.0.0/8 or fd00::/8` };
}

export function readAddress(value: unknown): Read<Cidr> {
  const bytes = typeof value === 'string' ? parseAddress(value.trim()) : undefined;
  if (bytes !== undefined) return { value: { bytes, prefix: 128 } };
  return { problem: `${quote(value)} is not an address, such as 10.0.0.1 or fd00::1` };
}

export function readInteger(value: unknown, max: number): Read<number> {
  const number = integerOf(value);
  if (number !== undefined && number <= max) return { value: number };
  return { problem: `${quote(value)} is not a whole number from 0 to ${max}` };
}

export function readFlag(value: unknown): Read<boolean> {
  if (typeof value === 'boolean') return { value };
  const word = readWord(value, ['true', 'false']);
  return 'problem' in word ? word : { value: word.value === 'true' };
}

export function readPorts(value: unknown): Read<readonly PortRange[]> {
  const ranges: PortRange[] = [];
  if (items(value).length === 0) return { problem: `an empty list; wanted ${PORT_FORMS}` };
  for (const item of items(value)) {
    // The documentation of `netobserv-ebpf-agent` has a dash that was typeset from a hyphen.
    const text = typeof item === 'string' || typeof item === 'number' ? `${item}` : '';
    const [first, last = first, ...rest] = text.split(/[-–]/).map(integerOf);
    if (first === undefined || last === undefined || rest.length > 0 || last > PORT_MAX) {
      return { problem: `${quote(item)} is neither a port nor a range of ports: ${PORT_FORMS}` };
    }
    if (first === 0) return { problem: 'no packet has port 0: the lowest is 1' };
    if (first > last) return { problem: `${quote(item)} ends before it begins` };
    ranges.push({ first, last });
  }
  return { value: ranges };
}

function items(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return typeof value === 'string' ? value.split(',').map((item) => item.trim()) : [value];
}

function integerOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 ? value : undefined;
  const isDigits = typeof value === 'string' && /^\d{1,10}$/.test(value.trim());
  return isDigits ? Number(value) : undefined;
}

/** Characters of a wrong value that an error message repeats. */
const QUOTED_CHARS_MAX = 40;

export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}…` : text;
}
