import type { Static } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { grpcServerKeys } from './grpc.ts';

export const GenericMapOptions = strictObject(grpcServerKeys, {
  description: 'Takes flows from a "write: grpc" of another pipeline, by gRPC, one in a call.',
  examples: [{ port: 9999, address: '127.0.0.1' }],
});

export type GenericMapOptions = Static<typeof GenericMapOptions>;
