import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { kafkaOptionsOf } from '../../../../src/agent/export/kafka-config.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

const folder = mkdtempSync(join(tmpdir(), 'netobserv-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const BROKERS = { KAFKA_BROKERS: 'one:9092, two:9092' };

test('the options become the client’s', () => {
  const config = agentConfig({ ...BROKERS, KAFKA_ACKS: 'leader', KAFKA_COMPRESSION: 'lz4' });
  expect(kafkaOptionsOf(config)).toMatchObject({
    brokers: ['one:9092', 'two:9092'],
    topic: 'network-flows',
    acks: 1,
    compression: 'lz4',
  });
});

test.each([
  ['kafka-cluster-kafka-bootstrap.netobserv', 'kafka-cluster-kafka-bootstrap.netobserv:9092'],
  ['kafka:', 'kafka:9092'],
  ['kafka.example.org.:9094', 'kafka.example.org.:9094'],
  ['10.0.0.1', '10.0.0.1:9092'],
  ['fd00::1', '[fd00::1]:9092'],
  ['[fd00::1]', '[fd00::1]:9092'],
  ['[fd00::1]:9094', '[fd00::1]:9094'],
])('broker %s is at %s', (text, wanted) => {
  expect(kafkaOptionsOf(agentConfig({ KAFKA_BROKERS: text })).brokers).toEqual([wanted]);
});

test('a secret that is named without the root is found in it', async () => {
  const client = kafkaOptionsOf(
    agentConfig({
      ...BROKERS,
      KAFKA_ENABLE_SASL: 'true',
      KAFKA_SASL_CLIENT_ID_PATH: file('id', 'alice').slice(1),
      KAFKA_SASL_CLIENT_SECRET_PATH: file('key', 'secret').slice(1),
    }),
  );
  expect(await client.credentials()).toMatchObject({ sasl: { username: 'alice' } });
});

test('files are read for each connection, and names and passwords are trimmed', async () => {
  const client = kafkaOptionsOf(
    agentConfig({
      ...BROKERS,
      KAFKA_ENABLE_TLS: 'true',
      KAFKA_TLS_CA_CERT_PATH: file('ca', 'authority'),
      KAFKA_ENABLE_SASL: 'true',
      KAFKA_SASL_TYPE: 'scramSHA512',
      KAFKA_SASL_CLIENT_ID_PATH: file('user', ' alice\n'),
      KAFKA_SASL_CLIENT_SECRET_PATH: file('password', '\tsecret \n'),
    }),
  );
  expect(await client.credentials()).toEqual({
    tls: { ca: 'authority', insecureSkipVerify: false },
    sasl: { mechanism: 'scram-sha-512', username: 'alice', password: 'secret' },
  });
  file('password', 'renewed');
  expect(await client.credentials()).toMatchObject({ sasl: { password: 'renewed' } });
});

test.each<readonly [string, Readonly<Record<string, string>>, string]>([
  ['no broker', {}, 'KAFKA_BROKERS'],
  ['a port that is none', { KAFKA_BROKERS: 'one:0' }, 'KAFKA_BROKERS'],
  ['a port that is too large', { KAFKA_BROKERS: 'one:65536' }, 'KAFKA_BROKERS'],
  ['a port with a name', { KAFKA_BROKERS: 'one:kafka' }, 'KAFKA_BROKERS'],
  ['an address that is none', { KAFKA_BROKERS: '[fd00]:9092' }, 'KAFKA_BROKERS'],
  ['a URL', { KAFKA_BROKERS: 'kafka://one:9092' }, 'KAFKA_BROKERS'],
  ['half a certificate', { ...BROKERS, KAFKA_TLS_USER_CERT_PATH: '/x' }, 'KAFKA_TLS_USER_KEY_PATH'],
  ['half a key', { ...BROKERS, KAFKA_TLS_USER_KEY_PATH: '/x' }, 'KAFKA_TLS_USER_CERT_PATH'],
  ['no name', { ...BROKERS, KAFKA_ENABLE_SASL: 'true' }, 'KAFKA_SASL_CLIENT_ID_PATH'],
  [
    'no password',
    { ...BROKERS, KAFKA_ENABLE_SASL: 'true', KAFKA_SASL_CLIENT_ID_PATH: '/x' },
    'KAFKA_SASL_CLIENT_SECRET_PATH',
  ],
])('%s is told', (_why, env, variable) => {
  expect(() => kafkaOptionsOf(agentConfig(env))).toThrow(
    expect.objectContaining({ code: 'ERR_AGENT_OPTION', details: { variable } }),
  );
});
