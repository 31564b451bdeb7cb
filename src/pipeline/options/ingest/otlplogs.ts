import { type Static, Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { serverKeys } from './grpc.ts';

const PORT_MAX = 65_535;

export const OtlpLogsIngestOptions = strictObject(
  {
    grpcPort: Type.Integer({
      minimum: 0,
      maximum: PORT_MAX,
      default: 4317,
      description: 'Port of the server for OTLP by gRPC. 0: no such server.',
    }),
    httpPort: Type.Integer({
      minimum: 0,
      maximum: PORT_MAX,
      default: 4318,
      description:
        'Port of the server for OTLP by HTTP, at /v1/logs, as protobuf or JSON, with gzip or ' +
        'without. 0: no such server.',
    }),
    ...serverKeys,
  },
  {
    description:
      'Takes flows as log records of OpenTelemetry, as "encode: otlplogs" sends them, also through ' +
      'a collector. The attributes of a record are the fields of a flow. If none of them is such ' +
      'a field, so are the fields in the body: a map, or a JSON object as text. Attributes of ' +
      'resources and scopes are not read. A record that is no flow is left out, and its sender ' +
      'learns of it. flowlogs-pipeline has no such stage.',
    examples: [
      {
        certPath: '/var/tls/tls.crt',
        keyPath: '/var/tls/tls.key',
        clientCAPath: '/var/tls/ca.crt',
      },
    ],
  },
);

export type OtlpLogsIngestOptions = Static<typeof OtlpLogsIngestOptions>;
