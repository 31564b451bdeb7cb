import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import type { ColumnSpec } from '../../../src/flow/batch.ts';
import type { Pipeline } from '../../../src/pipeline/pipeline.ts';
import type { Metrics } from '../../../src/telemetry/metrics.ts';
import { appendRows, type Row } from '../models/interpreter/rows.ts';
import { testPipeline } from '../models/interpreter/setup.ts';
import type { FakeApi } from './fake-api.ts';

/** A kubeconfig file in a folder of its own, for the time of a test. */
export function kubeconfig(user: object, server: string): Disposable & { readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
  const path = join(folder, 'config');
  const cluster = { server, 'insecure-skip-tls-verify': true };
  const config = {
    'current-context': 'test',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  };
  writeFileSync(path, JSON.stringify(config));
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

export interface Enriched {
  readonly rows: readonly Row[];
  readonly pipeline: Pipeline;
  readonly metrics: Metrics;
}

/** Runs rows through a network stage that reads the cluster of `api`; returns what it writes. */
export async function enrich(
  api: FakeApi,
  network: object,
  rows: readonly Row[],
  columns: readonly ColumnSpec[] = agentColumns(),
): Promise<Enriched> {
  using config = kubeconfig({ token: 'secret' }, api.url);
  const { pipeline, output, metrics } = testPipeline(
    {
      pipeline: [
        { name: 'net', follows: 'preset-ingester' },
        { name: 'out', follows: 'net' },
      ],
      parameters: [
        { name: 'net', transform: { type: 'network', network } },
        { name: 'out', write: { type: 'stdout', stdout: { format: 'json' } } },
      ],
    },
    { clock: systemClock, env: { KUBECONFIG: config.path }, source: columns },
  );
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, rows);
  pipeline.emit(batch);
  await pipeline.stop();
  const lines = Buffer.concat(output)
    .toString()
    .split('\n')
    .filter((line) => line !== '');
  return { rows: lines.map((line) => JSON.parse(line) as Row), pipeline, metrics };
}
