import type { ColumnSpec } from '../../flow/batch.ts';
import { FIELDS, kindOf } from '../../flow/fields.ts';

/** How the octets of an element become the value of a column. */
export type ReadForm =
  /** By the kind of the column: a number, an address, a MAC, a text. */
  | 'value'
  | 'little-endian'
  | 'base64'
  /** ICMP type and ICMP code, which share an element. */
  | 'high-octet'
  | 'low-octet'
  /** The 20 bits of a label in an entry of an MPLS stack, and whether there is one. */
  | 'label'
  | 'has-label'
  /** EtherType of the version of IP, or of a family whose address is not zero. */
  | 'ip-version'
  | 'is-v4'
  | 'is-v6'
  | TimeForm;

/**
 * Encodings of times: whole seconds or milliseconds since 1970, NTP time stamps of 64 bits
 * (RFC 7011, section 6.1), microseconds before the export, milliseconds since the exporter started.
 */
export type TimeForm = 'seconds' | 'milliseconds' | 'ntp' | 'before-export' | 'uptime';

export interface ReadTarget {
  readonly column: string;
  readonly form: ReadForm;
}

/** Where the values of an element go, in order of preference for each column. */
export interface ReadElement {
  readonly enterprise: number;
  readonly id: number;
  readonly target: ReadTarget;
}

/** The enterprise number for the reverse direction of a biflow (RFC 5103, section 6.1). */
export const REVERSE_ENTERPRISE = 29_305;

/** Elements that are read in another way: times, and what makes up the sampling rate. */
const TIME_COLUMNS = new Set(['TimeFlowStart', 'TimeFlowEnd', 'TimeFlowStartMs', 'TimeFlowEndMs']);
const RATE_COLUMNS = new Set(['SamplingRate', 'Sampling']);

/** Elements of the field table whose values need no conversion. */
const TABLE: readonly ReadElement[] = FIELDS.flatMap(({ name, kind, ipfix }) => {
  if (ipfix === undefined || (ipfix.form ?? 'value') !== 'value') return [];
  if (TIME_COLUMNS.has(name) || RATE_COLUMNS.has(name) || kind.startsWith('list')) return [];
  const ids = ipfix.v6 === undefined ? [ipfix.id] : [ipfix.id, ipfix.v6.id];
  return ids.map((id) => element(id, name));
});

const ICMP_BOTH = [32, 139]; // icmpTypeCodeIPv4, icmpTypeCodeIPv6
const MPLS_TOP = 70; // mplsTopLabelStackSection, then 71 and 72 for the next two entries

const STARTS: readonly (readonly [id: number, form: TimeForm])[] = [
  [152, 'milliseconds'],
  [156, 'ntp'], // flowStartNanoseconds
  [154, 'ntp'], // flowStartMicroseconds
  [150, 'seconds'],
  [158, 'before-export'], // flowStartDeltaMicroseconds
  [22, 'uptime'], // flowStartSysUpTime, FIRST_SWITCHED
];

/** Each element for the end has the next number, except that of sysUpTime. */
const ENDS = STARTS.map(([id, form]) => [form === 'uptime' ? 21 : id + 1, form] as const);

/** The elements of IANA that become columns. */
export const READ_ELEMENTS: readonly ReadElement[] = [
  ...TABLE,
  element(23, 'Bytes'), // postOctetDeltaCount, OUT_BYTES
  element(24, 'Packets'), // postPacketDeltaCount, OUT_PKTS
  element(81, 'SrcMac'), // postSourceMacAddress
  element(57, 'DstMac'), // postDestinationMacAddress
  element(58, 'VlanId'), // vlanId
  element(52, 'IpTtl'), // minimumTTL
  element(61, 'FlowDirection'),
  ...ICMP_BOTH.flatMap((id) => [
    element(id, 'IcmpType', 'high-octet'),
    element(id, 'IcmpCode', 'low-octet'),
  ]),
  ...[1, 2, 3].map((depth) => element(MPLS_TOP + depth - 1, `Mpls_${depth}Label`, 'label')),
  element(MPLS_TOP, 'HasMpls', 'has-label'),
  element(60, 'Etype', 'ip-version'),
  element(8, 'Etype', 'is-v4'),
  element(27, 'Etype', 'is-v6'),
  element(12, 'Etype', 'is-v4'),
  element(28, 'Etype', 'is-v6'),
  ...STARTS.flatMap(([id, form]) => timeElements(id, 'Start', form)),
  ...ENDS.flatMap(([id, form]) => timeElements(id, 'End', form)),
];

function element(id: number, column: string, form: ReadForm = 'value'): ReadElement {
  return { enterprise: 0, id, target: { column, form } };
}

function timeElements(id: number, end: 'Start' | 'End', form: TimeForm): readonly ReadElement[] {
  return [element(id, `TimeFlow${end}Ms`, form), element(id, `TimeFlow${end}`, form)];
}

/** Elements whose values come from elsewhere than a record's own columns. */
export const SAMPLER_IDS: ReadonlySet<number> = new Set([48, 302]); // samplerId, selectorId
export const SYSTEM_INIT_ID = 160; // systemInitTimeMilliseconds

/** Elements that give a sampling rate: one packet in N. */
export const RATE_IDS = {
  /** samplingInterval and samplerRandomInterval: N. */
  intervals: [34, 50],
  /** samplingPacketInterval in a row are taken, then samplingPacketSpace are not (RFC 5477). */
  taken: 305,
  space: 306,
  /** samplingSize out of samplingPopulation. */
  size: 309,
  population: 310,
  /** samplingProbability: 1/N, as a float. */
  probability: 311,
} as const;

/** Elements of the two ends, which change places in the reverse direction. */
const PAIRS: readonly (readonly [number, number])[] = [
  ...([
    [8, 12],
    [27, 28],
    [7, 11],
    [16, 17],
    [9, 13],
    [29, 30],
    [10, 14],
    [56, 80],
  ] as const),
  ...([
    [81, 57],
    [58, 59],
    [225, 226],
    [227, 228],
    [281, 282],
    [234, 235],
  ] as const),
];

/** Elements that mean the same in both directions. */
const SHARED = [
  ...[4, 60, 193, 256, 243, 136, 130, 131, 138, 149],
  ...[48, 302, 34, 50, 305, 306, 309, 310, 311, SYSTEM_INIT_ID],
  ...[...STARTS, ...ENDS].map(([id]) => id),
];

/** Number of the element that holds, for the reverse direction, what this one holds. */
export const REVERSED: ReadonlyMap<number, number> = new Map([
  ...PAIRS.flatMap(
    ([a, b]) =>
      [
        [a, b],
        [b, a],
      ] as const,
  ),
  ...SHARED.map((id) => [id, id] as const),
]);

/** Counters of a direction: a biflow without any in reverse is a flow of one direction. */
export const COUNTER_IDS: ReadonlySet<number> = new Set([1, 2, 23, 24, 85, 86]);

/** Columns that are filled for each flow, from the datagram or what was announced before it. */
export const DATAGRAM_COLUMNS = [
  ...(['Type', 'SequenceNum', 'SamplerAddress', 'TimeReceived'] as const),
  ...(['ObservationDomainId', 'SamplingRate'] as const),
] as const;

/** All columns that datagrams may fill, with those of `own` that the field table has. */
export function readColumns(own: readonly ReadElement[] = []): readonly ColumnSpec[] {
  const elements = [...READ_ELEMENTS, ...own].map(({ target }) => target.column);
  const names = new Set<string>([...DATAGRAM_COLUMNS, ...elements]);
  return [...names].flatMap((name) => {
    const kind = kindOf(name);
    return kind === undefined ? [] : [{ name, kind }];
  });
}

/** Element → targets, for a set of elements; earlier elements are preferred. */
export class ReadTable {
  readonly #targets = new Map<string, { readonly target: ReadTarget; readonly rank: number }[]>();

  /** `own` come before those of IANA. */
  constructor(own: readonly ReadElement[]) {
    for (const [rank, { enterprise, id, target }] of [...own, ...READ_ELEMENTS].entries()) {
      const key = `${enterprise}/${id}`;
      const known = this.#targets.get(key);
      if (known === undefined) this.#targets.set(key, [{ target, rank }]);
      else known.push({ target, rank });
    }
  }

  of(
    enterprise: number,
    id: number,
  ): readonly { readonly target: ReadTarget; readonly rank: number }[] {
    return this.#targets.get(`${enterprise}/${id}`) ?? [];
  }
}
