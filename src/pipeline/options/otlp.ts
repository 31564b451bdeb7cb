import { Type } from 'typebox';
import { word } from '../../config/schema.ts';
import { clientTls } from './tls.ts';

/** Options of all stages that send by the OpenTelemetry protocol. */
export const OTLP_CONNECTION = {
  address: Type.String({ minLength: 1, description: 'Name or address of the receiver.' }),
  port: Type.Integer({
    minimum: 1,
    maximum: 65_535,
    description: 'Port of the receiver: usually 4317 for gRPC and 4318 for HTTP.',
  }),
  connectionType: word(['grpc', 'http'], {
    description: 'Transport: gRPC, or HTTP with protobuf.',
  }),
  tls: clientTls('receiver'),
  headers: Type.Record(Type.String(), Type.String({ description: 'Value of the header.' }), {
    default: {},
    description: 'Headers of each request, such as those of a tenant.',
  }),
};
