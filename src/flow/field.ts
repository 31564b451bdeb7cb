/**
 * The shape of one row of the field table. See `fields.ts` for the table itself; everything that
 * knows about a flow field anywhere in the program is derived from these rows.
 */

/**
 * How a field's values are held in a batch.
 *
 * `u8 u16 u32` typed arrays · `f64` Float64Array, exact to 2^53 · `str addr mac` ids into the
 * intern tables · `list<u32> list<str>` offsets + values (numbers, string ids) · `any` values
 * whose kind no table knows (unknown JSON keys).
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
  | 'enum';

/** What has to be switched on for a field to be filled; names as in the console's `features`. */
export type Feature =
  | 'pktDrop'
  | 'dnsTracking'
  | 'flowRTT'
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
  | 'conversation'
  | 'kubernetes'
  | 'netflow';

/** Whether the field is fit for a metric label: few values, some, or as many as there are flows. */
export type Cardinality = 'fine' | 'careful' | 'avoid';

/** Which part of the program fills the field. */
export type Producer = 'agent' | 'pipeline' | 'netflow' | 'conntrack';

export type FilterComponent = 'autocomplete' | 'text' | 'number';
export type FilterCategory = 'common' | 'endpoint' | 'source' | 'destination';

/** A filter that a person can pick for the field; ids are those of console URLs. */
export interface FieldFilter {
  readonly id: string;
  readonly name: string;
  readonly component: FilterComponent;
  readonly category: FilterCategory;
  readonly hint?: string;
  readonly examples?: string;
  readonly placeholder?: string;
  /** Values are offered in quotes, that is as exact matches. */
  readonly quoted?: boolean;
}

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
  | 'list'
  | 'flags';

/** The field as a column of the flow table. */
export interface FieldColumn {
  readonly id: string;
  readonly name: string;
  /** Heading over neighbouring columns: Source, Destination, DNS … */
  readonly group?: string;
  readonly width: number;
  readonly default?: boolean;
  readonly renderer: Renderer;
  readonly tooltip?: string;
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
  /** JSON output leaves the key out when the value is zero, as the original's maps do. */
  readonly omitZero?: boolean;
  /** Path in `pbflow.Record` and its field numbers from the record inwards. */
  readonly proto?: { readonly path: string; readonly numbers: readonly number[] };
  /** IPFIX information element; `pen` 0 is IANA. `v6` where IPv6 has an element of its own. */
  readonly ipfix?: {
    readonly name: string;
    readonly id: number;
    readonly pen?: number;
    readonly v6?: { readonly name: string; readonly id: number };
  };
  /** A Loki stream label by default (otherwise the field is in the line). */
  readonly lokiLabel?: boolean;
  readonly cardinality: Cardinality;
  /** OpenTelemetry attribute name. */
  readonly otel?: string;
  readonly column?: FieldColumn;
  readonly filter?: FieldFilter;
  /** A filter that hits this field and its twin alike (`port` for SrcPort and DstPort). */
  readonly endpointFilter?: FieldFilter;
}
