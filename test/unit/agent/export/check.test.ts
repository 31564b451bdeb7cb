import { pino } from 'pino';
import { expect, test } from 'vitest';
import {
  checkTarget,
  checkTargetTls,
  reconnectJitterMs,
} from '../../../../src/agent/export/check.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

const TARGET = { TARGET_HOST: 'collector', TARGET_PORT: '2055' };
const CA = 'TARGET_TLS_CA_CERT_PATH';
const CERT = 'TARGET_TLS_USER_CERT_PATH';
const KEY = 'TARGET_TLS_USER_KEY_PATH';
const PERIOD = 'GRPC_RECONNECT_TIMER';
const JITTER = 'GRPC_RECONNECT_TIMER_RANDOMIZATION';

test.each([
  // check, environment, the wrong variable
  [checkTarget, TARGET, undefined],
  [checkTarget, { TARGET_PORT: '2055' }, 'TARGET_HOST'],
  [checkTarget, { TARGET_HOST: 'collector' }, 'TARGET_PORT'],
  [checkTargetTls, {}, undefined],
  [checkTargetTls, { [CA]: 'ca' }, undefined],
  [checkTargetTls, { [CA]: 'ca', [CERT]: 'cert', [KEY]: 'key' }, undefined],
  [checkTargetTls, { [CA]: 'ca', [CERT]: 'cert' }, KEY],
  [checkTargetTls, { [CA]: 'ca', [KEY]: 'key' }, CERT],
  [checkTargetTls, { [CERT]: 'cert', [KEY]: 'key' }, CA],
])('%o of %o', (check, env, variable) => {
  const config = agentConfig(env as Readonly<Record<string, string>>);
  if (variable === undefined) {
    expect(() => check(config)).not.toThrow();
    return;
  }
  const message = expect.stringMatching(new RegExp(`^${variable}: `));
  const wanted = { code: 'ERR_AGENT_OPTION', message, details: { variable } };
  expect(() => check(config)).toThrow(expect.objectContaining(wanted));
});

test.each([
  // environment, jitter in milliseconds, whether there is a warning
  [{}, 0, false],
  [{ [JITTER]: '30s' }, 30_000, false],
  [{ [PERIOD]: '5m', [JITTER]: '30s' }, 30_000, false],
  [{ [PERIOD]: '5m', [JITTER]: '5m' }, 0, true],
  // One of the operator's variables is changed, the other one stays.
  [{ [PERIOD]: '10s', [JITTER]: '30s' }, 0, true],
])('with %o the age of a connection varies by %d ms', (env, wanted, isWarned) => {
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
  const config = agentConfig(env as Readonly<Record<string, string>>);
  expect(reconnectJitterMs(config, log)).toBe(wanted);
  expect(lines.some((line) => line.includes(JITTER))).toBe(isWarned);
});
