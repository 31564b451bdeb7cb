import { expect, test } from 'vitest';
import { keptCredentials } from '../../../../src/deliver/targets/kafka-credentials.ts';
import type { KafkaCredentials } from '../../../../src/net/kafka/options.ts';
import { selfSigned } from '../../../support/net/certificate.ts';

function setUp(first: KafkaCredentials | Error) {
  let next = first;
  const told: string[] = [];
  const load = async (): Promise<KafkaCredentials> => {
    if (next instanceof Error) throw next;
    return next;
  };
  const report = { renewed: () => told.push('renewed'), refused: () => told.push('refused') };
  return {
    credentials: keptCredentials(load, report),
    told,
    renew(to: KafkaCredentials | Error): void {
      next = to;
    },
  };
}

const saslOf = (password: string): KafkaCredentials => ({
  sasl: { mechanism: 'plain', username: 'agent', password },
});
const tlsOf = (tls: Partial<Record<'ca' | 'cert' | 'key', string>>): KafkaCredentials => ({
  tls: { insecureSkipVerify: false, ...tls },
});

test('a new password counts, an empty file or none leaves the old one', async () => {
  const { credentials, renew, told } = setUp(saslOf('first'));
  expect(await credentials()).toEqual(saslOf('first'));
  renew(saslOf('second'));
  expect(await credentials()).toEqual(saslOf('second'));
  renew(saslOf(''));
  expect(await credentials()).toEqual(saslOf('second'));
  renew(new Error('ENOENT'));
  expect(await credentials()).toEqual(saslOf('second'));
  expect(await credentials()).toEqual(saslOf('second'));
  expect(told).toEqual(['renewed', 'refused', 'refused']);
});

test.each(['ca', 'cert', 'key'] as const)('a useless %s leaves the old files', async (file) => {
  const { cert, key } = selfSigned();
  const good = { ca: cert, cert, key };
  const { credentials, renew, told } = setUp(tlsOf(good));
  await credentials();
  renew(tlsOf({ ...good, [file]: 'nonsense' }));
  expect(await credentials()).toEqual(tlsOf(good));
  // Half of a renewal.
  renew(tlsOf({ ...good, key: selfSigned().key }));
  expect(await credentials()).toEqual(tlsOf(good));
  expect(told).toEqual(['refused', 'refused']);
});

test('what is useless from the start is an error', async () => {
  await expect(setUp(new Error('ENOENT')).credentials()).rejects.toThrow('ENOENT');
  await expect(setUp(saslOf('')).credentials()).rejects.toThrow('is empty');
});
