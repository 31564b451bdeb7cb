/**
 * Field numbers of the OpenTelemetry protocol (opentelemetry-proto 1.5: common, resource, logs,
 * trace, metrics), as tags of protobuf.
 */

import { WIRE } from '../wire.ts';

const varint = (field: number): number => (field << 3) | WIRE.varint;
const fixed64 = (field: number): number => (field << 3) | WIRE.fixed64;
const bytes = (field: number): number => (field << 3) | WIRE.bytes;

export const ANY_VALUE = {
  string: bytes(1),
  bool: varint(2),
  int: varint(3),
  double: fixed64(4),
  array: bytes(5),
  map: bytes(6),
  bytes: bytes(7),
} as const;

/** `ArrayValue.values`, and `KeyValueList.values`. */
export const VALUES = bytes(1);

export const KEY_VALUE = { key: bytes(1), value: bytes(2) } as const;

export const LOG_RECORD = {
  time: fixed64(1),
  severityNumber: varint(2),
  severityText: bytes(3),
  body: bytes(5),
  attributes: bytes(6),
  observedTime: fixed64(11),
} as const;

/** `SeverityNumber.SEVERITY_NUMBER_INFO`. */
export const SEVERITY_INFO = 9;

export const SPAN = {
  traceId: bytes(1),
  spanId: bytes(2),
  parentSpanId: bytes(4),
  name: bytes(5),
  kind: varint(6),
  start: fixed64(7),
  end: fixed64(8),
  attributes: bytes(9),
} as const;

/** `SpanKind.SPAN_KIND_INTERNAL`. */
export const KIND_INTERNAL = 1;

export const TRACE_ID_BYTES = 16;
export const SPAN_ID_BYTES = 8;

export const METRIC = {
  name: bytes(1),
  description: bytes(2),
  gauge: bytes(5),
  sum: bytes(7),
  histogram: bytes(9),
} as const;

/** The same numbers in `Gauge`, `Sum` and `Histogram`. */
export const METRIC_DATA = {
  points: bytes(1),
  temporality: varint(2),
  isMonotonic: varint(3),
} as const;

/** `AGGREGATION_TEMPORALITY_CUMULATIVE`. */
export const CUMULATIVE = 2;

/** The times have the same numbers in `NumberDataPoint` and `HistogramDataPoint`. */
export const POINT = {
  start: fixed64(2),
  time: fixed64(3),
  double: fixed64(4),
  attributes: bytes(7),
} as const;

export const HISTOGRAM_POINT = {
  count: fixed64(4),
  sum: fixed64(5),
  bucketCounts: bytes(6),
  explicitBounds: bytes(7),
  attributes: bytes(9),
} as const;

/**
 * The same numbers for logs, spans and metrics: `ExportLogsServiceRequest.resource_logs`,
 * `ResourceLogs.resource` and `.scope_logs`, `ScopeLogs.scope` and `.log_records`.
 */
export const REQUEST = {
  resourceEntries: bytes(1),
  resource: bytes(1),
  scopeEntries: bytes(2),
  scope: bytes(1),
  entries: bytes(2),
} as const;

/** `Resource.attributes`. */
export const RESOURCE_ATTRIBUTES = bytes(1);

/** `InstrumentationScope`. */
export const SCOPE = { name: bytes(1) } as const;

/**
 * `ExportLogsServiceResponse.partial_success`, and `.rejected_log_records` and `.error_message` in
 * it.
 */
export const ANSWER = { partialSuccess: bytes(1), rejected: varint(1), reason: bytes(2) } as const;
