import { type Static, Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { optionalText } from '../field.ts';

/** Keys of any server for flows, besides its ports. */
export const serverKeys = {
  address: optionalText('Address of the server. Empty: all addresses.'),
  bufferLength: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 100,
    description:
      'Calls that may wait while branches that block are full, with 64 MiB of messages at most. ' +
      'Further calls are refused and counted in ingest_errors, and agents repeat them.',
  }),
  certPath: optionalText('File with the certificate of the server, in PEM. Empty: without TLS.'),
  keyPath: optionalText('File with the key of the certificate, in PEM.'),
  clientCAPath: optionalText(
    'File with the authorities of clients’ certificates, in PEM. Not empty: clients must have one.',
  ),
};

/** Keys of a server for flows by gRPC. */
export const grpcServerKeys = {
  port: Type.Integer({ minimum: 1, maximum: 65_535, description: 'Port of the server.' }),
  ...serverKeys,
};

export const GrpcOptions = strictObject(grpcServerKeys, {
  description:
    'Takes flows from agents, by gRPC (pbflow). Reflection describes the service, for grpcurl.',
  examples: [{ port: 2055, certPath: '/var/tls/tls.crt', keyPath: '/var/tls/tls.key' }],
});

export type GrpcOptions = Static<typeof GrpcOptions>;

export type ServerKeys = Omit<GrpcOptions, 'port'>;
