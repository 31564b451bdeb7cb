import protobuf from 'protobufjs';

/** The OpenTelemetry protocol, version 1.5, for protobufjs, a third-party decoder. */
const OTLP = `
syntax = "proto3";
package otlp;

message AnyValue {
  oneof value {
    string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
    ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
  }
}
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message InstrumentationScope {
  string name = 1; string version = 2; repeated KeyValue attributes = 3;
}
message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }

message LogsRequest { repeated ResourceLogs resource_logs = 1; }
message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; }
message ScopeLogs { InstrumentationScope scope = 1; repeated LogRecord log_records = 2; }
message LogRecord {
  fixed64 time_unix_nano = 1; uint32 severity_number = 2; string severity_text = 3;
  AnyValue body = 5; repeated KeyValue attributes = 6; uint32 dropped_attributes_count = 7;
  fixed32 flags = 8; bytes trace_id = 9; bytes span_id = 10; fixed64 observed_time_unix_nano = 11;
}

message TraceRequest { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4;
  string name = 5; uint32 kind = 6; fixed64 start_time_unix_nano = 7;
  fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
}

message MetricsRequest { repeated ResourceMetrics resource_metrics = 1; }
message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
message ScopeMetrics { InstrumentationScope scope = 1; repeated Metric metrics = 2; }
message Metric {
  string name = 1; string description = 2; string unit = 3;
  oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; }
}
message Gauge { repeated NumberDataPoint data_points = 1; }
message Sum {
  repeated NumberDataPoint data_points = 1; uint32 aggregation_temporality = 2;
  bool is_monotonic = 3;
}
message Histogram {
  repeated HistogramDataPoint data_points = 1; uint32 aggregation_temporality = 2;
}
message NumberDataPoint {
  repeated KeyValue attributes = 7; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
  oneof value { double as_double = 4; sfixed64 as_int = 6; }
}
message HistogramDataPoint {
  repeated KeyValue attributes = 9; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
  fixed64 count = 4; double sum = 5; repeated fixed64 bucket_counts = 6;
  repeated double explicit_bounds = 7;
}

message Answer { PartialSuccess partial_success = 1; }
message PartialSuccess { int64 rejected = 1; string error_message = 2; }

message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
message Any { string type_url = 1; bytes value = 2; }
message RetryInfo { Duration retry_delay = 1; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
`;

const { root } = protobuf.parse(OTLP);

/** An `AnyValue`; `value` names the member that is set. */
interface Value {
  readonly value?: string;
  readonly intValue: unknown;
  readonly arrayValue: { readonly values: readonly Value[] };
  readonly kvlistValue: { readonly values: readonly KeyValue[] };
}

interface KeyValue {
  readonly key: string;
  readonly value: Value;
}

interface Resource {
  readonly attributes: readonly KeyValue[];
}

export interface Log {
  readonly timeUnixNano: unknown;
  readonly observedTimeUnixNano: unknown;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: Value;
  readonly attributes: readonly KeyValue[];
}

export interface Span {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly parentSpanId: Uint8Array;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: unknown;
  readonly endTimeUnixNano: unknown;
  readonly attributes: readonly KeyValue[];
}

export interface Point {
  readonly attributes: readonly KeyValue[];
  readonly startTimeUnixNano: unknown;
  readonly timeUnixNano: unknown;
  readonly asDouble: number;
  readonly count: unknown;
  readonly sum: number;
  readonly bucketCounts: readonly unknown[];
  readonly explicitBounds: readonly number[];
}

interface Points {
  readonly dataPoints: readonly Point[];
  readonly aggregationTemporality: number;
  readonly isMonotonic: boolean;
}

export interface Metric {
  readonly name: string;
  readonly description: string;
  /** Names the member that is set. */
  readonly data: 'gauge' | 'sum' | 'histogram';
  readonly gauge: Points;
  readonly sum: Points;
  readonly histogram: Points;
}

interface MetricsRequest {
  readonly resourceMetrics: readonly [
    {
      readonly resource: Resource;
      readonly scopeMetrics: readonly [{ readonly metrics: readonly Metric[] }];
    },
  ];
}

interface LogsRequest {
  readonly resourceLogs: readonly [
    {
      readonly resource: Resource;
      readonly scopeLogs: readonly [
        { readonly scope: { readonly name: string }; readonly logRecords: readonly Log[] },
      ];
    },
  ];
}

interface TraceRequest {
  readonly resourceSpans: readonly [
    { readonly resource: Resource; readonly scopeSpans: readonly [{ readonly spans: Span[] }] },
  ];
}

function decode(name: string, bytes: Uint8Array): unknown {
  return root.lookupType(`otlp.${name}`).decode(bytes);
}

/** The `ResourceLogs` of a request. */
export function decodeLogs(bytes: Uint8Array): LogsRequest['resourceLogs'] {
  return (decode('LogsRequest', bytes) as LogsRequest).resourceLogs;
}

/** The `ResourceSpans` of a request. */
export function decodeTraces(bytes: Uint8Array): TraceRequest['resourceSpans'] {
  return (decode('TraceRequest', bytes) as TraceRequest).resourceSpans;
}

/** The metrics of a request. */
export function decodeMetrics(bytes: Uint8Array): readonly Metric[] {
  const { resourceMetrics } = decode('MetricsRequest', bytes) as MetricsRequest;
  return resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics[0].metrics);
}

/** The answer to a request. */
export function encodeAnswer(value: object): Uint8Array {
  const type = root.lookupType('otlp.Answer');
  return type.encode(type.fromObject(value)).finish();
}

/** A request with log records as protobufjs takes them, in one scope of one resource. */
export function encodeLogs(logRecords: readonly object[]): Uint8Array<ArrayBuffer> {
  const type = root.lookupType('otlp.LogsRequest');
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'test' } }] };
  const request = { resourceLogs: [{ resource, scopeLogs: [{ scope: {}, logRecords }] }] };
  return Uint8Array.from(type.encode(type.fromObject(request)).finish());
}

/** What a receiver says about the log records of a request. */
export function decodeAnswer(bytes: Uint8Array): unknown {
  return toPlain('Answer', bytes);
}

function toPlain(name: string, bytes: Uint8Array): object {
  const type = root.lookupType(`otlp.${name}`);
  return type.toObject(type.decode(bytes), { longs: Number });
}

/** A `google.rpc.Status`, with the `RetryInfo` in its details. */
export function decodeStatus(bytes: Uint8Array): object {
  const { details = [], ...status } = toPlain('Status', bytes) as {
    readonly details?: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
  };
  const infos = details.map(({ typeUrl, value }) => [typeUrl, toPlain('RetryInfo', value)]);
  return { ...status, details: Object.fromEntries(infos) as object };
}

/** Attributes as protobufjs, and the JSON of protobuf, take them. */
export function attributesOf(row: Readonly<Record<string, unknown>>): readonly object[] {
  return Object.entries(row).map(([key, value]) => ({ key, value: anyValueOf(value) }));
}

function anyValueOf(value: unknown): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (Number.isSafeInteger(value)) return { intValue: String(value) };
  if (typeof value === 'number') return { doubleValue: value };
  if (value === null || value === undefined) return {};
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValueOf) } };
  return { kvlistValue: { values: attributesOf(value as Readonly<Record<string, unknown>>) } };
}

/** An `AnyValue` as JSON. */
export function plainValue(value: Value): unknown {
  switch (value.value) {
    case 'intValue':
      return Number(value.intValue);
    case 'arrayValue':
      return value.arrayValue.values.map(plainValue);
    case 'kvlistValue':
      return plainAttributes(value.kvlistValue.values);
    case undefined:
      return null;
    default:
      return value[value.value as keyof Value];
  }
}

export function plainAttributes(
  attributes: readonly KeyValue[],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));
}
