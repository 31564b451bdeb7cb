import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { callError } from '../../../../src/net/grpc/status.ts';

function serviceError(code: number, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
}

test.each([
  // status, the server's message, our code, whether another attempt makes sense
  ['UNAVAILABLE', 'connect ECONNREFUSED', 'ERR_NET_GRPC_UNAVAILABLE', true],
  ['CANCELLED', 'stream closed', 'ERR_NET_GRPC_UNAVAILABLE', true],
  ['INTERNAL', 'RST_STREAM', 'ERR_NET_GRPC_UNAVAILABLE', true],
  ['RESOURCE_EXHAUSTED', 'too many requests', 'ERR_NET_GRPC_UNAVAILABLE', true],
  [
    'RESOURCE_EXHAUSTED',
    'grpc: received message larger than max (5 vs. 4)',
    'ERR_NET_GRPC_TOO_LARGE',
    false,
  ],
  ['DEADLINE_EXCEEDED', 'Deadline exceeded', 'ERR_NET_GRPC_TIMEOUT', false],
  ['UNIMPLEMENTED', 'unknown service', 'ERR_NET_GRPC_REFUSED', false],
  ['PERMISSION_DENIED', 'no', 'ERR_NET_GRPC_REFUSED', false],
  ['UNKNOWN', 'handler failed', 'ERR_NET_GRPC_REFUSED', false],
] as const)('%s, %s', (name, details, code, retryable) => {
  const error = callError(serviceError(status[name], details), 'collector:2055');

  expect(error).toMatchObject({ code, retryable });
  expect(error.message).toBe(`collector:2055: ${name}: ${details}`);
});
