import { DNS_RESPONSE_CODES, TCP_STATES } from '../../flow/enums.ts';
import type { FieldSpec } from '../../flow/field.ts';
import { DROP_CAUSES, DROP_STATES } from '../../flow/names/drop.ts';
import { QUIC_VERSIONS } from '../../flow/names/quic.ts';
import { TLS_CIPHER_SUITES, TLS_GROUPS, TLS_MISMATCH, TLS_VERSIONS } from '../../flow/names/tls.ts';
import type { ProtoCodes, ProtoField, ProtoForm } from '../../flow/wire.ts';

/** `Records.entries`. */
export const ENTRIES = 1;

/** `DupMapEntry`, `NetworkEvent` and its map's entries, `IP`, `Timestamp` and `Duration`. */
export const DUP_ENTRY = { interface: 1, direction: 2, udn: 3 } as const;
export const EVENT = { entries: 1, key: 1, value: 2 } as const;
export const IP = { ipv4: 1, ipv6: 2 } as const;
export const SPAN = { seconds: 1, nanos: 2 } as const;

/**
 * Layout of a field, from its row, or else from its kind, unit and codes.
 *
 * `uint` up to 32 bits · `double` whole numbers to 2^53 · `timestamp` a message of seconds and
 * nanoseconds · `fragment` text, an address or a MAC · `code` a number that stands for a text ·
 * `texts` a list of them.
 */
export type Form = ProtoForm | 'uint' | 'double' | 'timestamp' | 'fragment' | 'code' | 'texts';

/** The text for a code, and the code that is sent for a text. */
export interface WireCodes {
  readonly codeOf: (name: string) => number;
  readonly nameOf: (code: number) => string;
}

/** `TLSVersion` without the prefix that `ssl_mismatch` stands for. */
const tlsVersions: WireCodes = {
  codeOf: (name) =>
    TLS_VERSIONS.codeOf(name.startsWith(TLS_MISMATCH) ? name.slice(TLS_MISMATCH.length) : name),
  nameOf: TLS_VERSIONS.nameOf,
};

/**
 * `netobserv-ebpf-agent` sends the kernel's numbers of states, and these are read.
 * `flowlogs-pipeline` has other numbers for some states: those are sent, together with the name.
 */
const dropStates: WireCodes = {
  codeOf: DROP_STATES.codeOf,
  nameOf: (code) => TCP_STATES.nameOf(code) ?? DROP_STATES.nameOf(code),
};

/** `ipsec_encrypted`: only the return code stands for the outcome `error`. */
const ipsecStatuses: WireCodes = {
  codeOf: (name) => (name === 'success' ? 1 : 0),
  nameOf: () => 'success',
};

const CODES: Readonly<Record<ProtoCodes, WireCodes>> = {
  dropState: dropStates,
  dropCause: DROP_CAUSES,
  ipsecStatus: ipsecStatuses,
  tlsVersion: tlsVersions,
  tlsCipherSuite: TLS_CIPHER_SUITES,
  tlsGroup: TLS_GROUPS,
  quicVersion: QUIC_VERSIONS,
};

/** The codes of a field that is text in a batch and a number in a record. */
export function codesOf({ codes }: ProtoField): WireCodes | undefined {
  return codes === undefined ? undefined : CODES[codes];
}

/** Units per second of times since 1970 in a batch. */
export const TIMESTAMP_UNITS = 1e3;

/** A message that is decoded as one value, not field by field. */
export function isWhole(form: Form): boolean {
  return form === 'dupList' || form === 'events';
}

/**
 * Readers derive the name of a DNS response code from the lower four bits of `dns_flags`, which
 * have no room for EDNS codes above 15: BADCOOKIE (23) would be YXRRSet (7). If they cannot name a
 * code, or it is unknown, those bits are sent as 15, which they call UnDefined. The bits of the
 * header are then sent in `exact`, and the name in `dns_response_code`.
 */
export const DNS_CODE_MASK = 0xf;

/** 1 for names of DNS response codes that do not fit in four bits. */
export const LONG_DNS_CODES: WireCodes = {
  codeOf(name) {
    const code = DNS_RESPONSE_CODES.numberOf(name);
    return code === undefined || code > DNS_CODE_MASK ? 1 : 0;
  },
  nameOf: () => '',
};

export function formOf(field: FieldSpec, { form, codes }: ProtoField): Form {
  if (form !== undefined) return form;
  if (codes !== undefined) return 'code';
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
