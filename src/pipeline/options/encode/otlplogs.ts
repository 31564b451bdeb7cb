import type { Static } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { OTLP_CONNECTION } from '../otlp.ts';

export const OtlpLogsOptions = strictObject(OTLP_CONNECTION, {
  description:
    'Sends flows as log records by the OpenTelemetry protocol: the body is the flow as JSON, the ' +
    'attributes are its fields, and the time is that of its last packet.',
  examples: [{ address: 'otel-collector', port: 4317, connectionType: 'grpc' }],
});

export type OtlpLogsOptions = Static<typeof OtlpLogsOptions>;
