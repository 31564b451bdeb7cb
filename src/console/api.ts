/**
 * The route contracts: the only bridge between the server and the web front end (and the CLI).
 * Types only; the server's schemas in `server/` check requests against them.
 */

import type { FieldSpec } from '../flow/field.ts';
import type { FlowRow, PacketLoss } from '../query/ast.ts';

/** Query parameters that records and metrics share; names are those of console URLs. */
export interface FlowQuery {
  /** Epoch seconds. Without it, the range is the last `timeRange` seconds. */
  readonly startTime?: number;
  readonly endTime?: number;
  readonly timeRange?: number;
  readonly limit?: number;
  readonly recordType?:
    | 'flowLog'
    | 'newConnection'
    | 'heartbeat'
    | 'endConnection'
    | 'allConnections';
  readonly dataSource?: 'auto' | 'loki' | 'prom' | 'store';
  /** `Key=value,value&Key!=value|…`, see the filter grammar. */
  readonly filters?: string;
  readonly packetLoss?: PacketLoss;
  readonly namespace?: string;
}

export interface MetricsQuery extends FlowQuery {
  /**
   * A measure of `flow/measures.ts` (default Bytes) or any numeric field.
   */
  readonly type?: string;
  readonly function?: 'count' | 'sum' | 'avg' | 'min' | 'max' | 'p90' | 'p99' | 'rate';
  /**
   * A scope id, `app` (everything together), a field, or `ServicePort` (the port of the end that
   * serves); several fields are comma-separated. Each member of a list is a separate series.
   */
  readonly aggregateBy: string;
  readonly groups?: string;
  /** Durations such as `1m`, or bare seconds. */
  readonly rateInterval?: string;
  readonly step?: string;
}

export interface QueryStats {
  readonly numQueries: number;
  readonly totalEntries: number;
  readonly duplicates: number;
  readonly limitReached: boolean;
  readonly queriesStats: readonly { readonly name: string; readonly durationMs: number }[];
  readonly dataSources: readonly string[];
}

/** One Loki-like stream: labels, then pairs of epoch nanoseconds (text) and a JSON line. */
export interface StreamItem {
  readonly stream: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [string, string])[];
}

/** One time series: pairs of epoch seconds and the value as text. */
export interface MatrixItem {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

interface Envelope<Type extends string, Item> {
  readonly resultType: Type;
  readonly result: readonly Item[];
  readonly stats: QueryStats;
  readonly unixTimestamp: number;
}

/** `GET /api/flow/records` (alias `/api/loki/flow/records`). */
export type RecordsResponse = Envelope<'streams', StreamItem>;

/**
 * `GET /api/flow/metrics`. Series of `aggregateBy=app` have the one label `app`. Values of fields
 * whose unit is nanoseconds are in milliseconds, as in `network-observability-console-plugin`.
 */
export type MetricsResponse = Envelope<'matrix', MatrixItem>;

/** `GET /api/flow/values?field=&contains=&limit=`: suggestions for the filter bar. */
export interface ValuesResponse {
  readonly values: readonly string[];
}

export interface SourceStatus {
  readonly isEnabled: boolean;
  readonly namespacesCount: number;
  readonly isReady: boolean;
  readonly error: string;
  readonly errorCode: number;
}

/** One hook as the console shows it. */
export interface InterfaceStatus {
  readonly name: string;
  readonly index: number;
  readonly namespace: string;
  /** `managed`: attached by another program. */
  readonly mode: 'tcx' | 'tc' | 'managed';
  readonly directions: readonly ('ingress' | 'egress')[];
}

/** The outcome of every packet that the hooks saw; monotonic totals since start. */
export interface Accounting {
  /** The sum of all below but `incomplete`. */
  readonly seenPackets: number;
  readonly seenBytes: number;
  readonly recordedPackets: number;
  readonly recordedBytes: number;
  readonly sampledOutPackets: number;
  readonly sampledOutBytes: number;
  /** Excluded by the filter rules. */
  readonly filteredPackets: number;
  readonly filteredBytes: number;
  /** By reason, such as `map_full`, `not_ip`, `malformed`, `not_looked_into`. */
  readonly unrecorded: Readonly<
    Record<string, { readonly packets: number; readonly bytes: number }>
  >;
  /** Packets recorded without the data of a feature, by reason. */
  readonly incomplete: Readonly<Record<string, number>>;
}

/** State of an enabled feature. */
export interface FeatureStatus {
  readonly name: string;
  readonly state: 'on' | 'unavailable';
  readonly why?: string;
}

/** Load and limits of the agent. */
export interface AgentVitals {
  /** Entries of each of the two flow maps; the shares in use at the last drain, and at most. */
  readonly mapEntries: number;
  readonly mapFill: number;
  readonly mapFillMax: number;
  readonly drainMs: number;
  readonly drainMsMax: number;
  /** Kernel memory of all maps. */
  readonly bpfBytes: number;
  /** Times that the kernel skipped a feature's program. */
  readonly probeMisses: number;
}

/** `GET /api/status`. `loki` and `prometheus` have the shape of the console plugin's API. */
export interface StatusResponse {
  readonly loki: SourceStatus;
  readonly prometheus: SourceStatus;
  readonly store: {
    readonly kind: string;
    readonly isReady: boolean;
    readonly error: string;
    readonly rows: number;
    readonly sizeBytes: number;
    readonly oldestMs: number | null;
    readonly newestMs: number | null;
    /** Damage that was found and is worked around; absent when there is none. */
    readonly warnings?: readonly string[];
  };
  readonly agent: {
    readonly isEnabled: boolean;
    readonly interfaces: readonly InterfaceStatus[];
    readonly features: readonly FeatureStatus[];
    readonly accounting: Accounting | null;
    readonly vitals: AgentVitals | null;
  };
  /** Rows per branch of the pipeline: in = written + filtered + dropped + in flight. */
  readonly branches: readonly {
    readonly name: string;
    readonly in: number;
    readonly written: number;
    readonly filtered: number;
    readonly dropped: Readonly<Record<string, number>>;
    readonly inFlight: number;
  }[];
}

/** `GET /api/frontend-config`. Columns, filters and fields are derived from the field table. */
export interface FrontendConfig {
  readonly buildVersion: string;
  readonly buildDate: string;
  /** Login and logout are available. */
  readonly login: boolean;
  /** IANA name of the server's time zone. */
  readonly timeZone: string;
  readonly recordTypes: readonly string[];
  readonly features: readonly string[];
  readonly portNaming: {
    readonly enable: boolean;
    readonly portNames: Readonly<Record<string, string>>;
  };
  readonly sampling: number;
  readonly columns: readonly ColumnConfig[];
  readonly filters: readonly FilterConfig[];
  readonly scopes: readonly ScopeConfig[];
  readonly fields: readonly FieldConfig[];
  readonly quickFilters: readonly QuickFilter[];
  readonly dataSources: readonly string[];
  readonly lokiMocks: boolean;
  readonly lokiLabels: readonly string[];
  readonly promLabels: readonly string[];
  readonly maxChunkAgeMs: number;
}

export interface ColumnConfig {
  readonly id: string;
  readonly name: string;
  readonly group?: string;
  readonly field?: string;
  readonly fields?: readonly string[];
  readonly calculated?: string;
  readonly renderer: NonNullable<FieldSpec['column']>['renderer'] | 'object' | 'pair';
  readonly tooltip?: string;
  /** Filter id that a click on the cell uses. */
  readonly filter?: string;
  readonly default: boolean;
  readonly width: number;
  readonly feature?: string;
}

export interface FilterConfig {
  readonly id: string;
  readonly name: string;
  readonly component: 'autocomplete' | 'text' | 'number';
  readonly category: 'common' | 'endpoint' | 'source' | 'destination';
  /** Query key: a field, or the suffix shared by a pair. */
  readonly key: string;
  readonly autoCompleteAddsQuotes?: boolean;
  readonly hint?: string;
  readonly examples?: string;
  readonly placeholder?: string;
  readonly feature?: string;
}

export interface ScopeConfig {
  readonly id: string;
  readonly name: string;
  readonly shortName: string;
  readonly description: string;
  readonly labels: readonly string[];
  readonly feature?: string;
  readonly groups?: readonly string[];
  /** Id of the filter that selects a member, or one for each end (source, destination). */
  readonly filter?: string;
  readonly filters?: readonly string[];
  readonly stepInto?: string;
}

export interface FieldConfig {
  readonly name: string;
  readonly type: 'string' | 'number' | 'number[]' | 'string[]';
  readonly format?: 'IP' | 'MAC';
  readonly description: string;
}

export interface QuickFilter {
  readonly name: string;
  readonly filter: Readonly<Record<string, string>>;
  readonly default?: boolean;
}

/**
 * `GET /api/live` (text/event-stream): one `tick` event after rows became visible in the store, at
 * most one a second, and one every 15 s without news so that proxies keep the connection. The
 * server ends a stream after ten minutes; a client that still wants it reconnects.
 */
export interface LiveTick {
  readonly nowMs: number;
  /** Flows, bytes and packets written since the previous tick, and the milliseconds in between. */
  readonly flows: number;
  readonly bytes: number;
  readonly packets: number;
  readonly elapsedMs: number;
  readonly rows: number;
}

/**
 * Every error of `/api`: HTTP status ≥ 400. `message` says what is wrong and what would be right.
 * 504 is `ERR_CONSOLE_QUERY_TIMEOUT`: the server is healthy, the query was too large. 503 is
 * `ERR_CONSOLE_BUSY`, with `Retry-After`.
 */
export interface ApiError {
  readonly code: string;
  readonly message: string;
  /** The invalid parameter. */
  readonly parameter?: string;
  /** Flags of the console plugin's API: the chosen data source is not configured. */
  readonly lokiDisabled?: true;
  readonly promDisabled?: true;
}

/**
 * `POST /api/login` (JSON) trades the token for a session cookie: 204. Any call of `/api` without a
 * session is answered 401 `ERR_CONSOLE_UNAUTHENTICATED`; a console without a token has no login
 * (404). `POST /api/logout` ends that session, in the browser and on the server: 204; streams
 * opened in that session end within seconds.
 */
export interface LoginRequest {
  readonly token: string;
}

export type { FlowRow };
