import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort, runProgram, startProgram } from '../../support/processes/program.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'netobserv-processor-'));
  file = join(folder, 'pipeline.yaml');
});
afterEach(() => rmSync(folder, { recursive: true }));

const PIPELINE = `
pipeline:
  - name: in
  - { name: short, follows: in }
  - { name: out, follows: short }
parameters:
  - name: in
    ingest: { type: stdin, stdin: {} }
  - name: short
    transform:
      type: generic
      generic:
        policy: replace_keys
        rules:
          - { input: SrcAddr, output: source }
          - { input: Bytes, output: bits, multiplier: 8 }
  - name: out
    write: { type: stdout, stdout: { format: json } }
`;

function write(rest: string, text = PIPELINE): void {
  writeFileSync(file, `${text}${rest}`);
}

test('a pipeline runs to the end of its input', async () => {
  write('metricsSettings: { disableGlobalServer: true }\n');
  const program = startProgram(['processor', '--config', file], { stdin: 'pipe' });
  let stdout = '';
  program.child.stdout!.on('data', (piece: string) => {
    stdout += piece;
  });
  program.child.stdin!.end('{"SrcAddr":"10.0.0.1","Bytes":2,"zone":"z"}\n{"Bytes":3}');
  expect(await program.end()).toBe(0);
  expect(stdout).toBe('{"source":"10.0.0.1","bits":16}\n{"bits":24}\n');
});

test('health, metrics, and the end by a signal', async () => {
  const [port, healthPort] = [await freePort(), await freePort()];
  write(`
healthAddr: 127.0.0.1:${healthPort}
metricsSettings: { address: 127.0.0.1, port: ${port}, prefix: flp_ }
`);
  const program = startProgram(['processor', '--config', file], { stdin: 'pipe' });
  await program.waitFor(/processor is up/);
  program.child.stdin!.write('{"Bytes":1}\n');
  await program.waitFor(/"bits":8/);
  const get = async (url: string): Promise<readonly [number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${url}`);
    return [answer.status, await answer.text()];
  };
  expect(await get(`${healthPort}/live`)).toEqual([200, '{}\n']);
  expect(await get(`${healthPort}/ready`)).toEqual([200, '{}\n']);
  expect(await get(`${healthPort}/ready?full=1`)).toEqual([200, '{"pipeline":{"ok":true}}\n']);
  const [, metrics] = await get(`${port}/metrics`);
  expect(metrics).toContain('flp_ingest_flows_processed{stage="in"} 1\n');
  expect(metrics).toContain('process_resident_memory_bytes');
  expect(await program.stop()).toBe(0);
});

test('a changed file is used between two batches', async () => {
  const settings = 'metricsSettings: { disableGlobalServer: true }\n';
  write(settings);
  const program = startProgram(['processor', '--config', file], { stdin: 'pipe' });
  await program.waitFor(/processor is up/);
  program.child.stdin!.write('{"Bytes":1}\n');
  await program.waitFor(/"bits":8\b/);
  write(settings, PIPELINE.replace('multiplier: 8', 'multiplier: 100'));
  await program.waitFor(/has changed and is in use/);
  program.child.stdin!.end('{"Bytes":3}\n');
  expect(await program.end()).toBe(0);
  expect(program.output()).toMatch(/"bits":300\b/);
});

test('while no broker answers, it is not ready, and says why', async () => {
  const [healthPort, broker] = [await freePort(), await freePort()];
  write(
    `
healthAddr: 127.0.0.1:${healthPort}
metricsSettings: { disableGlobalServer: true }
`,
    PIPELINE.replace(
      '{ type: stdin, stdin: {} }',
      `{ type: kafka, kafka: { brokers: ['127.0.0.1:${broker}'], topic: flows } }`,
    ),
  );
  const program = startProgram(['processor', '--config', file]);
  await program.waitFor(/cannot read from Kafka, and tries again/);
  const answer = await fetch(`http://127.0.0.1:${healthPort}/ready?full=1`);
  expect([answer.status, await answer.text()]).toEqual([
    503,
    expect.stringMatching(/"ok":false,"reason":"in: cannot read from Kafka: .*ECONNREFUSED/),
  ]);
  expect((await fetch(`http://127.0.0.1:${healthPort}/live`)).status).toBe(200);
  expect(await program.stop()).toBe(0);
});

describe('check', () => {
  test('explains the pipeline', async () => {
    write('');
    const { code, stdout } = await runProgram(['processor', 'check', file]);
    expect(code).toBe(0);
    expect(stdout).toContain('decoded columns (2): SrcAddr, Bytes\n');
    expect(stdout).toContain('short (transform generic)\n');
  });

  test('a part given on the command line replaces that of the file', async () => {
    write('');
    const edges = '[{"name":"out","follows":"in"},{"name":"short","follows":"in"}]';
    const { code, stderr } = await runProgram(['processor', 'check', file, '--pipeline', edges]);
    expect(code).toBe(2);
    expect(stderr).toContain('stage "short" has no output');
  });

  test('names every mistake, with its place', async () => {
    write('', PIPELINE.replace('multiplier', 'factor').replace('stdin:', 'stdinn:'));
    const { code, stderr } = await runProgram(['processor', 'check', file]);
    expect(code).toBe(2);
    expect(stderr).toContain('pipeline.yaml:8:28 parameters[0].ingest.stdinn: unknown key');
    expect(stderr).toContain('pipeline.yaml:16:43 parameters[1].transform.generic.rules[1].factor');
  });

  test('a stage of an agent has no place here', async () => {
    write(
      '',
      PIPELINE.replace('pipeline:', 'pipeline:\n  - { name: short, follows: preset-ingester }'),
    );
    const { code, stderr } = await runProgram(['processor', 'check', file]);
    expect(code).toBe(2);
    expect(stderr).toContain('begin with an ingest stage');
  });
});

test.each([
  ['no file', [], 2, /no pipeline: give its file/],
  ['a file that is not there', ['--config', '/nowhere'], 2, /cannot read --config \/nowhere/],
  ['no such action', ['run'], 2, /run/],
])('%s', async (_why, args, code, message) => {
  const ended = await runProgram(['processor', ...args]);
  expect(ended.code).toBe(code);
  expect(ended.stderr).toMatch(message);
});
