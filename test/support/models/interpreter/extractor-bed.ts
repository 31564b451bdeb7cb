import type { PipelineConfig } from '../../../../src/pipeline/options/graph.ts';
import type { PipelineDeps } from '../../../../src/pipeline/pipeline.ts';
import { parseSamples } from './prom.ts';
import { appendRows, type Row } from './rows.ts';
import { testPipeline } from './setup.ts';

const SECOND_MS = 1000;

export const KEY = {
  fieldGroups: [
    { name: 'src', fields: ['SrcAddr', 'SrcPort'] },
    { name: 'dst', fields: ['DstAddr', 'DstPort'] },
    { name: 'common', fields: ['Proto'] },
  ],
  hash: { fieldGroupRefs: ['common'], fieldGroupARef: 'src', fieldGroupBRef: 'dst' },
};
export const TIMES = {
  endConnectionTimeout: '10s',
  terminatingTimeout: '5s',
  heartbeatInterval: '30s',
};
const CONNECTIONS = ['newConnection', 'heartbeat', 'endConnection'];

export const there = {
  SrcAddr: '10.0.0.1',
  SrcPort: 40_000,
  DstAddr: '10.0.0.2',
  DstPort: 443,
  Proto: 6,
};
export const back = {
  SrcAddr: '10.0.0.2',
  SrcPort: 443,
  DstAddr: '10.0.0.1',
  DstPort: 40_000,
  Proto: 6,
};

/** A pipeline around `conntrack`. */
export function start(options: Record<string, unknown>, source?: PipelineDeps['source']) {
  const defaults = { keyDefinition: KEY, outputRecordTypes: CONNECTIONS, scheduling: [TIMES] };
  return startExtractor('conntrack', { ...defaults, ...options }, source && { source });
}

/** A pipeline around an extractor, with a clock that moves on request. */
export async function startExtractor(
  type: string,
  options: unknown,
  deps: Partial<PipelineDeps> = {},
) {
  const config: PipelineConfig = {
    pipeline: [
      { name: 'c', follows: 'preset-ingester' },
      { name: 'end', follows: 'c' },
    ],
    parameters: [
      { name: 'c', extract: { type, [type]: options } },
      { name: 'end', write: { type: 'store', store: { name: 'a' } } },
    ],
  };
  const bed = testPipeline(config, deps);
  const { pipeline, stores, clock, metrics } = bed;
  await pipeline.start(new AbortController().signal);
  let read = 0;
  return {
    pipeline,
    send(...rows: readonly Row[]): void {
      const batch = pipeline.take();
      appendRows(batch, rows);
      pipeline.emit(batch);
    },
    /** Records since the last call, without the field that has a test of its own. */
    async records(): Promise<readonly Row[]> {
      await new Promise(setImmediate);
      const fresh = stores.a.rows.slice(read);
      read = stores.a.rows.length;
      return fresh.map(({ _HashId, ...record }) => record);
    },
    async hashes(): Promise<readonly unknown[]> {
      await new Promise(setImmediate);
      return stores.a.rows.map(({ _HashId }) => _HashId);
    },
    pass: (seconds: number) => clock.jump(seconds * SECOND_MS),
    nowMs: () => clock.nowMs(),
    stop: () => pipeline.stop(),
    samples: async () => parseSamples(await metrics.registry.metrics()),
  };
}
