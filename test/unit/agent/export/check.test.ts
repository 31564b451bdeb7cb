import { expect, test } from 'vitest';
import { checkReconnect, checkTarget, checkTargetTls } from '../../../../src/agent/export/check.ts';
import { agentConfig } from '../../../support/agent-host.ts';

const TARGET = { TARGET_HOST: 'collector', TARGET_PORT: '2055' };
const CA = 'TARGET_TLS_CA_CERT_PATH';
const CERT = 'TARGET_TLS_USER_CERT_PATH';
const KEY = 'TARGET_TLS_USER_KEY_PATH';
const PERIOD = 'GRPC_RECONNECT_TIMER';
const JITTER = 'GRPC_RECONNECT_TIMER_RANDOMIZATION';

test.each([
  // check, environment, the variable that is wrong
  [checkTarget, TARGET, undefined],
  [checkTarget, { TARGET_PORT: '2055' }, 'TARGET_HOST'],
  [checkTarget, { TARGET_HOST: 'collector' }, 'TARGET_PORT'],
  [checkTargetTls, {}, undefined],
  [checkTargetTls, { [CA]: 'ca' }, undefined],
  [checkTargetTls, { [CA]: 'ca', [CERT]: 'cert', [KEY]: 'key' }, undefined],
  [checkTargetTls, { [CA]: 'ca', [CERT]: 'cert' }, KEY],
  [checkTargetTls, { [CA]: 'ca', [KEY]: 'key' }, CERT],
  [checkTargetTls, { [CERT]: 'cert', [KEY]: 'key' }, CA],
  [checkReconnect, {}, undefined],
  [checkReconnect, { [JITTER]: '30s' }, undefined],
  [checkReconnect, { [PERIOD]: '5m', [JITTER]: '30s' }, undefined],
  [checkReconnect, { [PERIOD]: '5m', [JITTER]: '5m' }, JITTER],
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
