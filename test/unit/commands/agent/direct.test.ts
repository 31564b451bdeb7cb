import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { directPipeline } from '../../../../src/commands/agent/direct.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { rowsOf } from '../../../../src/flow/row.ts';
import { Health } from '../../../../src/telemetry/health.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

function direct(flpConfig: string, env: Readonly<Record<string, string>> = {}) {
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
  const config = agentConfig({ EXPORT: 'direct-flp', FLP_CONFIG: flpConfig, ...env });
  const written: Uint8Array[] = [];
  const made = directPipeline(config, {
    log,
    metrics: createMetrics('ebpf_agent_'),
    health: new Health(),
    pipeline: {
      log,
      clock: new ManualClock(),
      tables: new TableSpace(),
      stdout: new Writable({
        write(bytes: Uint8Array, _encoding, done) {
          written.push(bytes.slice());
          done();
        },
      }),
    },
  });
  return { ...made, lines, written };
}

const YAML = `
log-level: debug
pipeline: [{name: out, follows: preset-ingester}]
parameters:
  - name: out
    write: {type: stdout, stdout: {format: json}}
`;
const JSON_TEXT = JSON.stringify({
  pipeline: [{ name: 'out', follows: 'preset-ingester' }],
  parameters: [{ name: 'out', write: { type: 'stdout', stdout: { format: 'json' } } }],
  metricsSettings: { disableGlobalServer: true },
});

test.each([
  ['YAML', YAML],
  ['JSON', JSON_TEXT],
])('%s: batches run through the pipeline in this process', async (_form, text) => {
  const { pipeline, written } = direct(text);
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  batch.length = 1;
  batch.f64('Bytes')[0] = 7;
  batch.markPresent('Bytes');
  expect(rowsOf(batch)).toEqual([{ Bytes: 7 }]);
  expect(pipeline.emit(batch)).toBe(true);
  await pipeline.stop();

  expect(Buffer.concat(written).toString()).toBe('{"Bytes":7}\n');
});

test('what only a program by itself makes use of is said to have no effect', () => {
  expect(direct(YAML).lines.join()).toContain('FLP_CONFIG: log-level has no effect');
});

test('what writers in Go leave empty is as good as nothing', () => {
  const text = JSON.stringify({
    'log-level': 'error',
    dynamicParameters: {},
    pipeline: [
      { name: 'enrich', follows: 'preset-ingester' },
      { name: 'out', follows: 'enrich' },
    ],
    parameters: [
      {
        name: 'enrich',
        transform: { type: 'network', network: { rules: [], kubeConfig: {}, directionInfo: {} } },
      },
      { name: 'out', write: { type: 'none' } },
    ],
    metricsSettings: { disableGlobalServer: true },
  });
  expect(direct(text).lines.join()).toContain('FLP_CONFIG: dynamicParameters has no effect');
});

test('a flow has a direction of its own only once reinterpret_direction has found it out', () => {
  const { pipeline } = direct(JSON_TEXT);
  const batch = pipeline.take();
  expect(batch.has('IfDirections')).toBe(true);
  expect(batch.has('FlowDirection')).toBe(false);
});

test('what is wrong with several stages is told at once', () => {
  const text = JSON.stringify({
    pipeline: [{ name: 'out', follows: 'preset-ingester' }],
    parameters: [
      { name: 'a', transform: { type: 'netwrk' } },
      { name: 'out', write: { type: 'stdout', stdout: { form: 'json' } } },
    ],
  });
  expect(() => direct(text)).toThrow(/parameters\[0\].*did you mean.*\n.*parameters\[1\].*"form"/s);
});

test('reinterpret_direction says which fields it misses', () => {
  const text = JSON.stringify({
    pipeline: [
      { name: 'enrich', follows: 'preset-ingester' },
      { name: 'out', follows: 'enrich' },
    ],
    parameters: [
      { name: 'out', write: { type: 'none' } },
      {
        name: 'enrich',
        transform: {
          type: 'network',
          network: {
            rules: [{ type: 'reinterpret_direction' }],
            directionInfo: { reporterIPField: 'AgentIP' },
          },
        },
      },
    ],
  });
  expect(() => direct(text)).toThrow('with srcHostField, dstHostField, flowDirectionField');
});

test.each([
  // why, environment, what is started besides the pipeline
  ['its own metrics server', YAML, {}, 1],
  ['none when it is disabled', JSON_TEXT, {}, 0],
  ['none beside the agent’s at the same address', YAML, { METRICS_ENABLE: 'true' }, 0],
  [
    'its own beside the agent’s elsewhere',
    YAML,
    { METRICS_ENABLE: 'true', METRICS_SERVER_PORT: '9999' },
    1,
  ],
])('%s', (_why, text, env, servers) => {
  expect(direct(text, env as Record<string, string>).components).toHaveLength(servers + 1);
});

test.each([
  ['', 'not set'],
  ['{"pipeline":', 'neither YAML nor JSON'],
  ['just a text', 'must have the keys'],
  ['[1]', 'must have the keys'],
])('%o is refused: %s', (text, message) => {
  expect(() => direct(text)).toThrow(
    expect.objectContaining({
      code: 'ERR_AGENT_OPTION',
      message: expect.stringMatching(new RegExp(`^FLP_CONFIG: .*${message}`)),
    }),
  );
});

test('a mistake within is told with its place', () => {
  const text =
    'pipeline: [{name: a, follows: preset-ingester}]\nparameters: [{name: a, write: {type: x}}]';
  expect(() => direct(text)).toThrow('parameters[0].write');
});
