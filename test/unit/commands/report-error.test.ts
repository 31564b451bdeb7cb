import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { checkAgentConfig, checkFlowsConfig } from '../../../src/agent/check.ts';
import { AGENT_ERRORS } from '../../../src/agent/errors.ts';
import { checkTarget } from '../../../src/agent/export/check.ts';
import { withFeatures } from '../../../src/agent/features/choose.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { NetobservError } from '../../../src/base/errors.ts';
import { reportError } from '../../../src/commands/report-error.ts';
import { configError, PIPELINE_ERRORS } from '../../../src/pipeline/errors.ts';
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
])('2 for a configuration that is wrong: %s', (_, fails) => {
  expect(exitCodeOf(fails)).toBe(2);
});

test.each([
  ['the kernel refuses', new NetobservError(AGENT_ERRORS.load, 'refused')],
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
