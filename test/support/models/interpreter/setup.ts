import { Writable } from 'node:stream';
import { TableSpace } from '../../../../src/flow/intern.ts';
import type { PipelineConfig } from '../../../../src/pipeline/options/graph.ts';
import {
  compilePipeline,
  type Pipeline,
  type PipelineDeps,
} from '../../../../src/pipeline/pipeline.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../../src/telemetry/metrics.ts';
import { ManualClock } from '../../manual-clock.ts';
import { MemoryStore } from './memory-store.ts';

export const SERVICES_FILE = `
# name port/protocol aliases # comment
ssh      22/tcp   # Secure Shell
domain   53/tcp
domain   53/udp
http     80/tcp   www
quic     80/udp
high     65535/udp
`;

export const PROTOCOLS_FILE = `
icmp 1 ICMP
tcp  6 TCP   # transmission control
udp  17 UDP
`;

export interface TestPipeline {
  readonly pipeline: Pipeline;
  readonly clock: ManualClock;
  readonly metrics: Metrics;
  readonly stores: { readonly a: MemoryStore; readonly b: MemoryStore };
  readonly output: Uint8Array[];
}

/** A pipeline with its whole environment in memory. */
export function testPipeline(
  config: PipelineConfig,
  overrides: Partial<PipelineDeps> = {},
): TestPipeline {
  const stores = { a: new MemoryStore(), b: new MemoryStore() };
  const clock = new ManualClock();
  const metrics = createMetrics('');
  const output: Uint8Array[] = [];
  const files: Readonly<Record<string, string>> = {
    '/etc/services': SERVICES_FILE,
    '/etc/protocols': PROTOCOLS_FILE,
  };
  const pipeline = compilePipeline(config, {
    log: createLog('silent'),
    metrics,
    clock,
    tables: new TableSpace(),
    stores,
    readText: (path) => files[path],
    stdout: new Writable({
      write(bytes: Uint8Array, _encoding, done) {
        output.push(bytes);
        done();
      },
    }),
    random: () => 0.5,
    ...overrides,
  });
  return { pipeline, clock, metrics, stores, output };
}
