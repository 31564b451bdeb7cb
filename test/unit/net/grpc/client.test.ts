import { expect, test } from 'vitest';
import { nameOverride } from '../../../../src/net/grpc/client.ts';

test('the name that TLS sends has no dot at its end', () => {
  const tls = { caPath: 'ca' };
  const key = 'grpc.ssl_target_name_override';
  expect(nameOverride({ host: 'collector.example.', tls })).toEqual({ [key]: 'collector.example' });
  expect(nameOverride({ host: 'collector.example', tls })).toEqual({});
  expect(nameOverride({ host: 'collector.example.', tls: undefined })).toEqual({});
});
