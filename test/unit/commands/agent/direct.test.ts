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
  // why, environment, components started besides the pipeline
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

test('a token that the agent’s own server would not need is refused', () => {
  const text = `${YAML}metricsSettings: {tokenPath: /run/token}\n`;
  expect(() => direct(text, { METRICS_ENABLE: 'true' })).toThrow(
    /metricsSettings\.tokenPath: the agent’s own server has the same address, but another token/,
  );
  const env = { METRICS_ENABLE: 'true', METRICS_TOKEN_PATH: '/run/token' };
  expect(direct(text, env).components).toHaveLength(1);
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
      message: expect.stringMatching(new RegExp(`^FLP_CONFIG(:\\d+:\\d+)?: .*${message}`)),
    }),
  );
});

test('a mistake within is told with its place', () => {
  const text =
    'pipeline: [{name: a, follows: preset-ingester}]\nparameters: [{name: a, write: {type: x}}]';
  expect(() => direct(text)).toThrow('parameters[0].write');
});

/** Ten lines, each with a different kind of mistake. */
const TEN_MISTAKES = `
log-levl: debug
metricsSettings:
  port: 99999
  prefix: 7
pipeline:
  - {name: enrich, follow: preset-ingester}
  - {name: out, follows: enrich, whenFull: wait}
parameters:
  - name: enrich
    transform:
      type: network
      network:
        rules:
          - type: add_servise
          - {type: add_subnet, add_subnet: {input: SrcAddr}}
  - name: count
    encode:
      type: prom
      prom:
        expiryTime: 120
        metrics: []
  - {name: out, write: {type: none}}
  - {name: out, write: {type: none}}
  - {name: both, write: {type: none}, encode: {type: prom, prom: {metrics: []}}}
`;

test('ten mistakes are ten lines, each at its place', () => {
  const message = messageOf(TEN_MISTAKES);
  expect(message.split('\n  ')).toEqual([
    'wrong pipeline:',
    'FLP_CONFIG:2:1 log-levl: unknown key "log-levl" (did you mean "log-level"?)',
    'FLP_CONFIG:4:9 metricsSettings.port: must be a whole number from 0 up to 65535, not 99999',
    'FLP_CONFIG:5:11 metricsSettings.prefix: must be a text, not 7: write it in quotes, "7"',
    'FLP_CONFIG:7:20 pipeline[0].follow: unknown key "follow" (did you mean "follows"?)',
    'FLP_CONFIG:8:44 pipeline[1].whenFull: "wait" is not allowed here (known: drop, block)',
    'FLP_CONFIG:15:19 parameters[0].transform.network.rules[0].type: ' +
      'unknown type "add_servise" (did you mean "add_service"?)',
    'FLP_CONFIG:16:44 parameters[0].transform.network.rules[1].add_subnet.output: is required',
    'FLP_CONFIG:21:21 parameters[1].encode.prom.expiryTime: 120 is not a duration such as 500ms, ' +
      '30s or 2m: write the unit, "120s" for seconds',
    'FLP_CONFIG:24:12 parameters[3].name: there is another stage "out": names must be unique',
    'FLP_CONFIG:25:5 parameters[4]: a stage has exactly one of ingest, transform, extract, ' +
      'encode, write, but this one has encode and write',
  ]);
});

function messageOf(text: string): string {
  try {
    direct(text);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('was not refused');
}

test('a mistake that only the compiler finds has its place, too', () => {
  const text = [
    'pipeline: [{name: n, follows: preset-ingester}, {name: out, follows: n}]',
    'parameters:',
    '  - {name: out, write: {type: none}}',
    '  - name: n',
    '    transform:',
    '      type: network',
    '      network: {rules: [], subnetLabels: [{name: a, cidrs: [10.0.0.0/8, 10.0.0.0/33]}]}',
  ];
  const place = 'FLP_CONFIG:7:73 parameters[1].transform.network.subnetLabels[0].cidrs[1]: ';
  expect(messageOf(text.join('\n'))).toContain(`${place}"10.0.0.0/33"`);
  expect(
    messageOf('pipeline:\n  - {name: a, follows: b}\nparameters: [{name: a, write: {type: none}}]'),
  ).toMatch(/^FLP_CONFIG:2:24 pipeline\[0\]\.follows: no stage "b"/);
});
