import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Agent } from '../../../src/agent/agent.ts';
import { createPacketExporter } from '../../../src/agent/capture/exporters.ts';
import { createPacketAgent } from '../../../src/agent/capture/root.ts';
import type { Native } from '../../../src/agent/loader/native.ts';
import { systemClock, systemRandom } from '../../../src/base/clock.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { agentConfig, loadNative } from './agent-host.ts';

/** A capture on the real kernel. */
export interface CaptureHost extends AsyncDisposable {
  readonly agent: Agent;
  readonly metrics: Metrics;
  /** Ends it and returns its output. */
  stop(): Promise<Buffer>;
}

export async function startCapture(
  env: Readonly<Record<string, string>>,
  { native = loadNative() }: { readonly native?: Native } = {},
): Promise<CaptureHost> {
  const config = agentConfig({ ENABLE_PCA: 'true', EXPORT: 'stdout', ...env });
  const stdout = new PassThrough();
  const parts: Buffer[] = [];
  stdout.on('data', (part: Buffer) => parts.push(part));
  const metrics = createMetrics('');
  const shared = { log: createLog('silent'), metrics, clock: systemClock };
  const exporter = await createPacketExporter(config, { ...shared, stdout, random: systemRandom });
  const agent = createPacketAgent(config, {
    ...shared,
    native,
    object: readFileSync(join(import.meta.dirname, '../../../build/bpf/flows.bpf.o')),
    exporter,
  });
  const { signal } = new AbortController();
  await exporter.start(signal);
  await agent.start(signal);
  let isStopped = false;
  const stop = async (): Promise<Buffer> => {
    if (!isStopped) {
      isStopped = true;
      await agent.stop();
      await exporter.stop();
    }
    return Buffer.concat(parts);
  };
  return {
    agent,
    metrics,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}
