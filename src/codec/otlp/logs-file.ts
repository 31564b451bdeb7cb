import type { ProtoFile } from '../descriptor.ts';

const PACKAGE = 'opentelemetry.proto';
const file = (path: string): string => `opentelemetry/proto/${path}.proto`;

const COMMON: ProtoFile = {
  name: file('common/v1/common'),
  package: `${PACKAGE}.common.v1`,
  messages: {
    AnyValue: [
      'oneof value string string_value = 1',
      'oneof value bool bool_value = 2',
      'oneof value int64 int_value = 3',
      'oneof value double double_value = 4',
      'oneof value ArrayValue array_value = 5',
      'oneof value KeyValueList kvlist_value = 6',
      'oneof value bytes bytes_value = 7',
    ],
    ArrayValue: ['repeated AnyValue values = 1'],
    KeyValueList: ['repeated KeyValue values = 1'],
    KeyValue: ['string key = 1', 'AnyValue value = 2'],
    InstrumentationScope: [
      'string name = 1',
      'string version = 2',
      'repeated KeyValue attributes = 3',
      'uint32 dropped_attributes_count = 4',
    ],
  },
};

const KEY_VALUE = `${PACKAGE}.common.v1.KeyValue`;

const RESOURCE: ProtoFile = {
  name: file('resource/v1/resource'),
  package: `${PACKAGE}.resource.v1`,
  imports: [COMMON],
  messages: {
    Resource: [`repeated ${KEY_VALUE} attributes = 1`, 'uint32 dropped_attributes_count = 2'],
  },
};

/** Four grades of each. */
const SEVERITIES = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].flatMap((name) => [
  ...[name, `${name}2`, `${name}3`, `${name}4`],
]);

const LOGS: ProtoFile = {
  name: file('logs/v1/logs'),
  package: `${PACKAGE}.logs.v1`,
  imports: [COMMON, RESOURCE],
  enums: {
    SeverityNumber: ['UNSPECIFIED', ...SEVERITIES].map((name) => `SEVERITY_NUMBER_${name}`),
  },
  messages: {
    ResourceLogs: [
      `${PACKAGE}.resource.v1.Resource resource = 1`,
      'repeated ScopeLogs scope_logs = 2',
      'string schema_url = 3',
    ],
    ScopeLogs: [
      `${PACKAGE}.common.v1.InstrumentationScope scope = 1`,
      'repeated LogRecord log_records = 2',
      'string schema_url = 3',
    ],
    LogRecord: [
      'fixed64 time_unix_nano = 1',
      'fixed64 observed_time_unix_nano = 11',
      'enum SeverityNumber severity_number = 2',
      'string severity_text = 3',
      `${PACKAGE}.common.v1.AnyValue body = 5`,
      `repeated ${KEY_VALUE} attributes = 6`,
      'uint32 dropped_attributes_count = 7',
      'fixed32 flags = 8',
      'bytes trace_id = 9',
      'bytes span_id = 10',
    ],
  },
};

/** The service for log records of the OpenTelemetry protocol. */
export const OTLP_LOGS_FILE: ProtoFile = {
  name: file('collector/logs/v1/logs_service'),
  package: `${PACKAGE}.collector.logs.v1`,
  imports: [LOGS],
  messages: {
    ExportLogsServiceRequest: [`repeated ${PACKAGE}.logs.v1.ResourceLogs resource_logs = 1`],
    ExportLogsServiceResponse: ['ExportLogsPartialSuccess partial_success = 1'],
    ExportLogsPartialSuccess: ['int64 rejected_log_records = 1', 'string error_message = 2'],
  },
  service: {
    name: 'LogsService',
    method: 'Export',
    input: 'ExportLogsServiceRequest',
    output: 'ExportLogsServiceResponse',
  },
};
