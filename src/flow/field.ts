import type { IpfixElement, IpfixField, ProtoField } from './wire.ts';

/**
 * The shape of one row of the field table in `fields.ts`. Everything that the program knows about a
 * flow field is derived from these rows.
 */

/**
 * How a field's values are held in a batch.
 *
 * `u8 u16 u32` typed arrays · `f64` Float64Array, exact to 2^53 · `str addr mac` ids into the
 * intern tables · `list<u32> list<str>` offsets + values (numbers, string ids) · `any` values of
 * unknown kind (unknown JSON keys).
 */
export type FieldKind =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'f64'
  | 'str'
  | 'addr'
  | 'mac'
  | 'list<u32>'
  | 'list<str>'
  | 'any';

/** The largest value of the kinds that hold whole numbers. */
export const WHOLE_NUMBER_MAX = { u8: 0xff, u16: 0xffff, u32: 0xffffffff } as const;

/** Unit of a numeric field; absent for ports, codes and names. */
export type FieldUnit =
  | 'bytes'
  | 'packets'
  | 'flows'
  | 'nanoseconds'
  | 'milliseconds'
  | 'seconds'
  | 'epoch-milliseconds'
  | 'epoch-seconds'
  | 'bitmask'
  | 'enum'
  /** 0 or 1; `false` and `true` in JSON. */
  | 'boolean';

const PER_SECOND: Readonly<Partial<Record<FieldUnit, number>>> = {
  nanoseconds: 1e9,
  milliseconds: 1e3,
};

/** How many of a duration unit make a second; undefined for other units. */
export function unitsPerSecond(unit: FieldUnit | undefined): number | undefined {
  return unit && PER_SECOND[unit];
}

/** Feature that must be on for a field to be filled; names as in the console's `features`. */
export type Feature =
  | 'pktDrop'
  | 'dnsTracking'
  | 'flowRTT'
  | 'tcpHealth'
  | 'processes'
  | 'tunnels'
  | 'openssl'
  | 'networkEvents'
  | 'packetTranslation'
  | 'udnMapping'
  | 'multiNetworks'
  | 'ipsec'
  | 'tlsTracking'
  | 'quicTracking'
  | 'multiCluster'
  | 'zones'
  | 'subnetLabels'
  | 'location'
  | 'city'
  | 'asn'
  | 'conversation'
  | 'kubernetes'
  | 'netflow';

/** Whether the field suits a metric label: few values, some, or as many as there are flows. */
export type Cardinality = 'fine' | 'careful' | 'avoid';

/** The part of the program that fills the field. */
export type Producer = 'agent' | 'pipeline' | 'netflow' | 'conntrack';

export type FilterComponent = 'autocomplete' | 'text' | 'number';
export type FilterCategory = 'common' | 'endpoint' | 'source' | 'destination';

/** A filter that users can pick for the field; ids are those of console URLs. */
export interface FieldFilter {
  readonly id: string;
  readonly name: string;
  readonly component: FilterComponent;
  readonly category: FilterCategory;
  readonly hint?: string;
  readonly examples?: string;
  readonly placeholder?: string;
  /** Values are suggested in quotes, as exact matches. */
  readonly quoted?: boolean;
}

/** The table of `enums.ts` that names a field's numbers. */
export type NameTable =
  | 'protocol'
  | 'etherType'
  | 'dscp'
  | 'direction'
  | 'tcpFlags'
  | 'icmpType'
  | 'flowEnd'
  | 'initiator';

/** `port`: a transport port, which people also write as the name of a service. */
export type FieldSemantics = 'port';

/** How a table cell shows the value. */
export type Renderer =
  | 'text'
  | 'number'
  | 'bytes'
  | 'packets'
  | 'datetime'
  | 'duration'
  | 'address'
  | 'port'
  | 'protocol'
  | 'dscp'
  | 'direction'
  | 'etype'
  | 'icmp'
  /** The number's name in the field's table of names. */
  | 'named'
  /** The reason for a drop, without the prefix that all of the kernel's names share. */
  | 'cause'
  | 'list'
  | 'flags';

/** The field as a column of the flow table. */
export interface FieldColumn {
  readonly id: string;
  readonly name: string;
  /** Heading over neighbouring columns: Source, Destination, DNS … */
  readonly group?: string;
  /** Share of the table's width, as in the configuration of the NetObserv console: 5, 10 or 15. */
  readonly width: number;
  /** Shown until the user chooses columns; a gated column only while its feature is on. */
  readonly default?: boolean;
  /**
   * Shown by default where the feature `kubernetes` is off, in place of the names that it provides.
   */
  readonly bareDefault?: boolean;
  /** Not shown by default while this feature is on: its columns need the room. */
  readonly yieldsTo?: Feature;
  readonly renderer: Renderer;
  readonly tooltip?: string;
  /** Id of the filter that a click on a cell uses, if not the field's own. */
  readonly filter?: string;
  /** Fields shown together in a cell, if more than the row's own. */
  readonly fields?: readonly string[];
}

export interface FieldSpec {
  /** The external name: JSON key, label, query key. */
  readonly name: string;
  readonly kind: FieldKind;
  readonly unit?: FieldUnit;
  /** One sentence for the reference page. */
  readonly meaning: string;
  readonly producer: Producer;
  readonly feature?: Feature;
  /**
   * Names of its numbers. The column always holds the number; users and filters see names.
   *
   * Programs see them for `tcpFlags`, too: the stage `decode_tcp_flags` of `flowlogs-pipeline`
   * replaces the bitmask under the same key by a list of names. Here the bitmask stays in its
   * column, so that later stages can still test bits, and the stage only declares the form: its
   * `writes` entry has `form: 'names'` (see `ColumnSpec`). The compiler passes the fields with that
   * form to each sink as `names`, and the JSON writer writes lists for them. A stage with another
   * output turns it into a `list<str>` column. JSON readers accept numbers and lists.
   */
  readonly names?: NameTable;
  /** Meaning of the number where `unit` and `names` do not define it. */
  readonly semantics?: FieldSemantics;
  /**
   * Key that stands for this field and its twin at the other end of the flow, such as `Port` for
   * SrcPort and DstPort. The source's row comes first.
   */
  readonly pair?: string;
  /** JSON output leaves the key out when the value is zero, as `flowlogs-pipeline` does. */
  readonly omitZero?: boolean;
  /** JSON output cuts off the fraction, as `flowlogs-pipeline` does. */
  readonly wholeInJson?: boolean;
  /** Absent: not in protobuf records. */
  readonly proto?: ProtoField;
  /** IANA's information element for it; only the first value of a list is sent. */
  readonly ipfix?: IpfixField;
  /** Elements that repeat the value for collectors that do not read `ipfix`. */
  readonly ipfixAgain?: readonly IpfixField[];
  /** Element under the exporter's configured enterprise number; lists are sent as comma lists. */
  readonly ipfixEnterprise?: IpfixElement;
  /** A Loki stream label by default (otherwise the field is in the line). */
  readonly lokiLabel?: boolean;
  readonly cardinality: Cardinality;
  /** OpenTelemetry attribute name. */
  readonly otel?: string;
  readonly column?: FieldColumn;
  readonly filter?: FieldFilter;
  /**
   * A filter that matches this field or its twin (`port` for SrcPort and DstPort). It is in the
   * source's row, and its key is `pair`.
   */
  readonly endpointFilter?: FieldFilter;
}
