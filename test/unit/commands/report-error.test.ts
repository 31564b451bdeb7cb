import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { checkAgentConfig, checkFlowsConfig } from '../../../src/agent/check.ts';
import { AGENT_ERRORS } from '../../../src/agent/errors.ts';
import { checkTarget } from '../../../src/agent/export/check.ts';
import { withFeatures } from '../../../src/agent/features/choose.ts';
import { findOpenssl } from '../../../src/agent/features/openssl-library.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { type ErrorKind, NetobservError } from '../../../src/base/errors.ts';
import { COMMAND_ERRORS } from '../../../src/commands/errors.ts';
import { EXIT, exitCodeOf as exitCodeOfKind } from '../../../src/commands/exit-codes.ts';
import { reportError } from '../../../src/commands/report-error.ts';
import { UNREPORTED } from '../../../src/commands/up/protection.ts';
import { watchToken } from '../../../src/console/server/config.ts';
import { START_ERRORS } from '../../../src/console/server/errors.ts';
import { credentialsOf } from '../../../src/net/grpc/credentials.ts';
import { configError, PIPELINE_ERRORS } from '../../../src/pipeline/errors.ts';
import { STORE_ERRORS } from '../../../src/store/errors.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { RenewedCertificate } from '../../../src/telemetry/server-tls.ts';
import { readSmallFile } from '../../../src/telemetry/small-file.ts';
import { agentConfig } from '../../support/processes/agent-host.ts';

function exitCodeOf(fails: () => unknown): number {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  try {
    fails();
  } catch (error) {
    return reportError(error, { env: {}, stdout, stderr, clock: systemClock, helpAll: false });
  }
  return 0;
}

test.each([
  ['an unknown value', () => agentConfig({ EXPORT: 'pigeon' })],
  [
    'values that exclude each other',
    () => {
      checkAgentConfig(agentConfig({ INTERFACES: 'eth0', INTERFACE_IPS: '10.0.0.0/8' }));
    },
  ],
  ['no collector', () => checkTarget(agentConfig())],
  ['an unknown feature', () => withFeatures(agentConfig(), ['dnss'])],
  ['packets where flows are kept', () => checkFlowsConfig(agentConfig({ ENABLE_PCA: 'true' }))],
  [
    'a pipeline that goes in circles',
    () => {
      throw configError(PIPELINE_ERRORS.cycle, 'pipeline', 'goes in circles');
    },
  ],
  ['a token file that is not there', () => watchToken('/nowhere', UNREPORTED)],
  ['a token that is too short', () => watchToken('/proc/self/comm', UNREPORTED)],
  ['a path that leads to a device', () => readSmallFile('/dev/zero')],
  [
    'a certificate of a server that is not there',
    () => new RenewedCertificate({ certPath: '/nowhere', keyPath: '/nowhere' }, UNREPORTED),
  ],
  [
    'a certificate of a collector that is not there',
    () => credentialsOf({ caPath: '/nowhere' }, 'collector'),
  ],
  ['a library without OpenSSL', () => findOpenssl('/bin/true')],
  [
    'two metrics of one name',
    () => {
      const exposed = { names: ['x'], text: () => '' };
      const metrics = createMetrics('');
      metrics.expose(exposed);
      metrics.expose(exposed);
    },
  ],
])('2 for a configuration that is wrong: %s', (_, fails) => {
  expect(exitCodeOf(fails)).toBe(2);
});

test.each([
  ['the kernel refuses', new NetobservError(AGENT_ERRORS.load, 'refused')],
  ['a port is taken', new NetobservError(START_ERRORS.listenInUse, 'taken')],
  ['the process lacks a right', new NetobservError(COMMAND_ERRORS.capabilities, 'not root')],
  ['the database is damaged', new NetobservError(STORE_ERRORS.corrupt, 'damaged')],
  ['Node has a code for it', Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' })],
  ['a bug', new TypeError('x is not a function')],
])('1 for a failure that no configuration is the cause of: %s', (_, error) => {
  expect(
    exitCodeOf(() => {
      throw error;
    }),
  ).toBe(1);
});

test.each([
  ['EMFILE', /This process may have \d+ files open: allow it 1024 or more, by "ulimit -n 1024"/],
  ['ENFILE', /This machine has as many files open as it may: .*fs\.file-max/],
])('%s, wherever it was met, is told with what would be right', (code, advice) => {
  const cause = Object.assign(new Error(`open namespace: ${code}`), { code });
  const stderr = new PassThrough();
  const context = {
    env: {},
    stdout: new PassThrough(),
    stderr,
    clock: systemClock,
    helpAll: false,
  };
  const error = new NetobservError(AGENT_ERRORS.namespace, 'cannot open it', { cause });
  expect(reportError(error, context)).toBe(1);
  expect(String(stderr.read())).toMatch(advice);
});

test('usage mistakes alone have the exit code that says: do not try again', () => {
  const kinds = Object.keys({
    usage: 0,
    permission: 0,
    notFound: 0,
    limit: 0,
    data: 0,
    unavailable: 0,
    internal: 0,
  } satisfies Record<ErrorKind, 0>) as ErrorKind[];
  const codes = kinds.map((kind) => [kind, exitCodeOfKind(kind)]);
  expect(codes.filter(([, code]) => code === EXIT.usage)).toEqual([['usage', 2]]);
  expect(codes.filter(([, code]) => code === EXIT.failed)).toHaveLength(kinds.length - 1);
});
