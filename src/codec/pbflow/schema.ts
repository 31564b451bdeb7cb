import { DNS_RESPONSE_CODES, TCP_STATES } from '../../flow/enums.ts';
import type { FieldSpec } from '../../flow/field.ts';
import { DROP_CAUSES, DROP_STATES } from '../../flow/names/drop.ts';
import { QUIC_VERSIONS } from '../../flow/names/quic.ts';
import { TLS_CIPHER_SUITES, TLS_GROUPS, TLS_MISMATCH, TLS_VERSIONS } from '../../flow/names/tls.ts';

/** Protocol buffers' wire types. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, fixed32: 5 } as const;

/** `Records.entries`. */
export const ENTRIES = 1;

/** Numbers of `pbflow.Record` that the code names; all others are in the field table. */
export const RECORD = {
  network: 6,
  transport: 7,
  timeFlowRtt: 24,
  dupList: 26,
  networkEvents: 27,
  sslMismatch: 34,
} as const;

/** `DupMapEntry`, `NetworkEvent` and its map's entries, `IP`, `Timestamp` and `Duration`. */
export const DUP_ENTRY = { interface: 1, direction: 2, udn: 3 } as const;
export const EVENT = { entries: 1, key: 1, value: 2 } as const;
export const IP = { ipv4: 1, ipv6: 2 } as const;
export const SPAN = { seconds: 1, nanos: 2 } as const;

/**
 * How a field is laid out there.
 *
 * `uint` up to 32 bits · `double` whole numbers to 2^53 · `int` 32 bits with a sign ·
 * `dnsFlags` see `DNS_FLAGS` · `timestamp`, `duration` messages of seconds and nanoseconds · `fragment` text, an address or a
 * MAC · `code` a number that stands for a text · `texts` · `mask` bits that stand for texts ·
 * `dupList` and `events` messages.
 */
export type Form =
  | 'uint'
  | 'double'
  | 'int'
  | 'dnsFlags'
  | 'timestamp'
  | 'duration'
  | 'fragment'
  | 'code'
  | 'texts'
  | 'mask'
  | 'dupList'
  | 'events';

/** What a code stands for, and which code readers are sent. */
export interface WireCodes {
  readonly codeOf: (name: string) => number;
  readonly nameOf: (code: number) => string;
}

/** `TLSVersion` without what `ssl_mismatch` says. */
const tlsVersions: WireCodes = {
  codeOf: (name) =>
    TLS_VERSIONS.codeOf(name.startsWith(TLS_MISMATCH) ? name.slice(TLS_MISMATCH.length) : name),
  nameOf: TLS_VERSIONS.nameOf,
};

/**
 * States are read as the kernel's, which is what the original's agents send. Its readers have
 * other numbers for some, so those are sent, and then the name goes along.
 */
const dropStates: WireCodes = {
  codeOf: DROP_STATES.codeOf,
  nameOf: (code) => TCP_STATES.nameOf(code) ?? DROP_STATES.nameOf(code),
};

/** `ipsec_encrypted`: the outcome `error` is told by the return code alone. */
const ipsecStatuses: WireCodes = {
  codeOf: (name) => (name === 'success' ? 1 : 0),
  nameOf: () => 'success',
};

/** Fields that are text in a batch and a number there, by path. */
export const CODES: Readonly<Record<string, WireCodes>> = {
  pkt_drop_latest_state: dropStates,
  pkt_drop_latest_drop_cause: DROP_CAUSES,
  ipsec_encrypted: ipsecStatuses,
  ssl_version: tlsVersions,
  tls_cipher_suite: TLS_CIPHER_SUITES,
  tls_key_share: TLS_GROUPS,
  'quic.version': QUIC_VERSIONS,
};

/** Units of a second that `Duration` fields have in a batch, by path. */
export const DURATIONS: Readonly<Record<string, number>> = { dns_latency: 1e3, time_flow_rtt: 1e9 };
export const TIMESTAMP_UNITS = 1e3;

/**
 * Readers make the name of a DNS response code of the lower four bits of `dns_flags`, in which EDNS
 * has no room for codes above 15: BADCOOKIE (23) would be YXRRSet (7). For a code that they cannot
 * name, or that is not known, those bits are sent as 15, which they call UnDefined. The bits of the
 * header then go along in `exact`, and the name in `dns_response_code`.
 */
export const DNS_FLAGS = {
  path: 'dns_flags',
  codePath: 'dns_response_code',
  codeMask: 0xf,
} as const;

/** 1 for names of DNS response codes that four bits cannot tell. */
export const LONG_DNS_CODES: WireCodes = {
  codeOf(name) {
    const code = DNS_RESPONSE_CODES.numberOf(name);
    return code === undefined || code > DNS_FLAGS.codeMask ? 1 : 0;
  },
  nameOf: () => '',
};

const FORMS: Readonly<Record<string, Form>> = {
  [DNS_FLAGS.path]: 'dnsFlags',
  'dup_list.interface': 'dupList',
  'dup_list.direction': 'dupList',
  'dup_list.udn': 'dupList',
  'network_events_metadata.events': 'events',
  ipsec_encrypted_ret: 'int',
  tls_types: 'mask',
};

export function formOf(field: FieldSpec, path: string): Form {
  const known = FORMS[path];
  if (known !== undefined) return known;
  if (CODES[path] !== undefined) return 'code';
  if (DURATIONS[path] !== undefined) return 'duration';
  if (field.unit === 'epoch-milliseconds') return 'timestamp';
  switch (field.kind) {
    case 'f64':
      return 'double';
    case 'str':
    case 'addr':
    case 'mac':
      return 'fragment';
    case 'list<str>':
      return 'texts';
    case 'u8':
    case 'u16':
    case 'u32':
      return 'uint';
    default:
      throw new Error(`assertion failed: ${field.name} (${field.kind}) has no form in pbflow`);
  }
}
