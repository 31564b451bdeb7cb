import { type Cidr, cidrContains } from '../../base/ip.ts';
import { closest } from '../../base/suggest.ts';
import { hasPorts, Protocol } from '../../flow/enums.ts';
import {
  FILTER_RANGES_MAX,
  FILTER_RULES_MAX,
  type FilterAction,
  type FilterDirection,
  type FilterRule,
  familyOf,
  type PortRange,
  type PortSide,
  prefixLength,
} from './rule.ts';
import {
  quote,
  type Read,
  readAddress,
  readCidr,
  readFlag,
  readInteger,
  readPorts,
  readProtocol,
  readTcpFlags,
  readWord,
} from './values.ts';

export interface ParsedRules {
  readonly rules: readonly FilterRule[];
  /** Problems, one line each; if there are any, the rules cannot be used. */
  readonly problems: readonly string[];
}

/** A rule being read: a value for each part, the key that set it, and the problems. */
interface Draft {
  readonly given: Map<string, string>;
  readonly problems: string[];
  action: FilterAction;
  cidr: Cidr | undefined;
  peer: Cidr | undefined;
  direction: FilterDirection | undefined;
  protocol: number | undefined;
  readonly ports: Partial<Record<PortSide, readonly PortRange[]>>;
  tcpFlags: number;
  icmpType: number | undefined;
  icmpCode: number | undefined;
  drops: boolean;
  sample: number;
}

interface Key {
  /** The part of the rule that it sets; two keys may set the same part. */
  readonly part: string;
  /** Whether it is a number in `netobserv-ebpf-agent`. */
  readonly isNumber: boolean;
  /** Stores a value, or returns the problem with it. */
  readonly read: (value: unknown, draft: Draft) => string | undefined;
}

function key<T>(
  part: string,
  read: (value: unknown) => Read<T>,
  put: (draft: Draft, value: T) => void,
  isNumber = false,
): Key {
  return {
    part,
    isNumber,
    read(value, draft) {
      const result = read(value);
      if ('problem' in result) return result.problem;
      put(draft, result.value);
      return undefined;
    },
  };
}

function portsOf(side: PortSide): string {
  return side === 'either' ? 'ports' : `${side} ports`;
}

function ports(side: PortSide, isNumber = false): Key {
  const put = (draft: Draft, value: readonly PortRange[]): void => {
    draft.ports[side] = value;
  };
  return key(portsOf(side), readPorts, put, isNumber);
}

function number(part: 'icmpType' | 'icmpCode' | 'sample', name: string, max: number): Key {
  const put = (draft: Draft, value: number): void => {
    draft[part] = value;
  };
  return key(name, (value) => readInteger(value, max), put, true);
}

const BYTE_MAX = 255;
const SAMPLE_MAX = 2 ** 32 - 1;

/** The keys of `netobserv-ebpf-agent`. Any key for a port also takes lists and ranges of ports. */
const KEYS: Readonly<Record<string, Key>> = {
  action: key(
    'action',
    (value) => readWord<FilterAction>(value, ['Accept', 'Reject']),
    (draft, value) => {
      draft.action = value;
    },
  ),
  ip_cidr: key('network', readCidr, (draft, value) => {
    draft.cidr = value;
  }),
  peer_cidr: key('peer', readCidr, (draft, value) => {
    draft.peer = value;
  }),
  peer_ip: key('peer', readAddress, (draft, value) => {
    draft.peer = value;
  }),
  direction: key(
    'direction',
    (value) => readWord<FilterDirection>(value, ['Ingress', 'Egress']),
    (draft, value) => {
      draft.direction = value;
    },
  ),
  protocol: key('protocol', readProtocol, (draft, value) => {
    draft.protocol = value;
  }),
  source_port: ports('source', true),
  source_ports: ports('source'),
  source_port_range: ports('source'),
  destination_port: ports('destination', true),
  destination_ports: ports('destination'),
  destination_port_range: ports('destination'),
  port: ports('either', true),
  ports: ports('either'),
  port_range: ports('either'),
  tcp_flags: key('TCP flags', readTcpFlags, (draft, value) => {
    draft.tcpFlags = value;
  }),
  icmp_type: number('icmpType', 'ICMP type', BYTE_MAX),
  icmp_code: number('icmpCode', 'ICMP code', BYTE_MAX),
  drops: key('drops', readFlag, (draft, value) => {
    draft.drops = value;
  }),
  sample: number('sample', 'rate', SAMPLE_MAX),
};

/**
 * Reads rules: a JSON list of objects, or, for command lines, `action=Reject port=22; port=80`.
 * Keeps the order of the text.
 */
export function parseFilterRules(text: string): ParsedRules {
  const trimmed = text.trim();
  // Go's JSON of a nil list.
  if (trimmed === 'null') return { rules: [], problems: [] };
  const problems: string[] = [];
  const list = /^[[{]/.test(trimmed) ? readJson(trimmed, problems) : readWords(trimmed, problems);
  if (list.length > FILTER_RULES_MAX) {
    return { rules: [], problems: [`${list.length} rules; ${FILTER_RULES_MAX} are the most`] };
  }
  const drafts = list.map(readRule);
  if (!drafts.some(({ cidr, peer }) => isWhole(6, cidr) || isWhole(6, peer))) {
    for (const draft of drafts) takeBothFamilies(draft);
  }
  for (const [index, draft] of drafts.entries()) {
    // After an unreadable value, checks would only report more of the same.
    const wrong = draft.problems.length > 0 ? draft.problems : contradictions(draft);
    problems.push(...wrong.map((problem) => `rule ${index + 1}, ${problem}`));
  }
  return { rules: drafts.map(({ given: _, problems: __, ...rule }) => rule), problems };
}

/** Whether it covers every address of a family. */
function isWhole(family: 4 | 6, cidr: Cidr | undefined): boolean {
  return cidr !== undefined && familyOf(cidr) === family && prefixLength(cidr) === 0;
}

/**
 * All rules of `network-observability-cli` have 0.0.0.0/0, which means any address there, of either
 * family. Only rules that also have ::/0 distinguish the families.
 */
function takeBothFamilies(draft: Draft): void {
  if (isWhole(4, draft.cidr)) draft.cidr = undefined;
  if (isWhole(4, draft.peer)) draft.peer = undefined;
}

type Pairs = readonly (readonly [key: string, value: unknown])[];

function readJson(text: string, problems: string[]): readonly Pairs[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    problems.push(`no JSON (${error instanceof Error ? error.message : error})`);
    return [];
  }
  if (!Array.isArray(parsed)) {
    problems.push('a list of rules is wanted, [{…}, {…}]');
    return [];
  }
  return parsed.map((rule: unknown, index) => {
    if (typeof rule === 'object' && rule !== null && !Array.isArray(rule)) {
      return Object.entries(rule);
    }
    problems.push(
      `rule ${index + 1}: ${quote(rule)} is not an object such as {"action": "Accept"}`,
    );
    return [];
  });
}

function readWords(text: string, problems: string[]): readonly Pairs[] {
  const rules = text.split(/[;\n]/).filter((rule) => rule.trim() !== '');
  return rules.map((rule, index) =>
    rule
      .trim()
      .split(/\s+/)
      .flatMap((word): Pairs => {
        const at = word.indexOf('=');
        if (at > 0) return [[word.slice(0, at), word.slice(at + 1)]];
        problems.push(`rule ${index + 1}: ${quote(word)} is no KEY=VALUE such as port=80,443`);
        return [];
      }),
  );
}

function readRule(pairs: Pairs): Draft {
  const draft: Draft = {
    given: new Map(),
    problems: [],
    action: 'Accept',
    cidr: undefined,
    peer: undefined,
    direction: undefined,
    protocol: undefined,
    ports: {},
    tcpFlags: 0,
    icmpType: undefined,
    icmpCode: undefined,
    drops: false,
    sample: 0,
  };
  for (const [word, value] of pairs) {
    const problem = readKey(word, value, draft);
    if (problem !== undefined) draft.problems.push(`"${word}": ${problem}`);
  }
  return draft;
}

function readKey(word: string, value: unknown, draft: Draft): string | undefined {
  const known = Object.hasOwn(KEYS, word) ? KEYS[word] : undefined;
  if (known === undefined) {
    const meant = closest(word, Object.keys(KEYS));
    if (meant !== undefined) return `there is no such key, did you mean "${meant}"?`;
    return `there is no such key; there are ${Object.keys(KEYS).join(', ')}`;
  }
  // As everywhere, empty values count as absent. `network-observability-cli` writes every key, with
  // the zero of its type, so an ICMP type or code of 0 must be given as the text "0".
  if (value === null || value === '' || (value === 0 && known.isNumber)) return undefined;
  const other = draft.given.get(known.part);
  if (other === word) return 'given twice';
  if (other !== undefined) return readAgain(known, value, draft);
  draft.given.set(known.part, word);
  return known.read(value, draft);
}

/**
 * Two keys may set the same part: `network-observability-operator` makes them from one text of
 * ports, `80-90,443`, or from two fields for the peer. An address within the other's network
 * applies.
 */
function readAgain({ part, read }: Key, value: unknown, draft: Draft): string | undefined {
  const { peer } = draft;
  const ports = JSON.stringify(draft.ports);
  const problem = read(value, draft);
  if (problem !== undefined) return problem;
  if (part !== 'peer') {
    if (JSON.stringify(draft.ports) === ports) return undefined;
  } else if (peer !== undefined && draft.peer !== undefined) {
    if (holds(peer, draft.peer)) return undefined;
    const isWithin = holds(draft.peer, peer);
    draft.peer = peer;
    if (isWithin) return undefined;
  }
  return `"${draft.given.get(part)}" sets the ${part} already: give one of them`;
}

function holds(outer: Cidr, inner: Cidr): boolean {
  return outer.prefix <= inner.prefix && cidrContains(outer, inner.bytes);
}

const { TCP, ICMP, 'IPv6-ICMP': ICMPV6 } = Protocol;

/** Why no packet can match, or the kernel cannot hold the rule; each begins with the key. */
function contradictions(draft: Draft): readonly string[] {
  const { cidr, peer, protocol, tcpFlags, given } = draft;
  const problems: string[] = [];
  const say = (part: string, what: string): void => {
    problems.push(`"${given.get(part)}": ${what}`);
  };
  const sides = Object.keys(draft.ports) as PortSide[];
  const isOf = (...protocols: readonly number[]): boolean =>
    protocol === undefined || protocols.includes(protocol);
  const icmp = ['ICMP type', 'ICMP code'].filter((part) => given.has(part));

  if (cidr !== undefined && peer !== undefined && familyOf(cidr) !== familyOf(peer)) {
    say('peer', `is of another address family than "${given.get('network')}"`);
  }
  const part = cidr === undefined ? 'peer' : 'network';
  const network = cidr ?? peer;
  if (network !== undefined && protocol === (familyOf(network) === 4 ? ICMPV6 : ICMP)) {
    say('protocol', `does not go with the address family of "${given.get(part)}"`);
  }
  for (const side of sides) {
    if (protocol !== undefined && !hasPorts(protocol)) {
      say(portsOf(side), 'only TCP, UDP and SCTP have ports');
    }
  }
  if (tcpFlags !== 0 && !isOf(TCP)) say('TCP flags', 'only TCP has them');
  for (const one of icmp) {
    if (!isOf(ICMP, ICMPV6)) say(one, 'only ICMP and ICMPv6 have one');
    else if (sides.length > 0 || tcpFlags !== 0) say(one, 'goes with neither ports nor TCP flags');
  }
  const ranges = Object.values(draft.ports).flat().length;
  if (ranges > FILTER_RANGES_MAX) {
    const what = `${ranges} ports and ranges; ${FILTER_RANGES_MAX} are the most in one rule`;
    say(portsOf(sides[0]!), what);
  }
  return problems;
}
