/** From the kernel's maps to a collector's socket: the cost of an agent on its own. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pino } from 'pino';
import { createExporter } from '../../src/agent/export/exporters.ts';
import { systemClock } from '../../src/base/clock.ts';
import { agentColumns } from '../../src/flow/agent-columns.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { Lab } from '../support/lab/netns.ts';
import { agentConfig, startAgent } from '../support/processes/agent-host.ts';
import type { Figure } from './figure.ts';

const FLOWS = 100_000;
const RATE_PER_SECOND = 200_000;
const ROUNDS = 5;
const POLL_MS = 5;

export async function benchExport(): Promise<readonly Figure[]> {
  await using lab = new Lab();
  const left = lab.namespace('left');
  const right = lab.namespace('right');
  const [sender, watched] = lab.pair({ namespace: left }, { namespace: right });
  const script = join(import.meta.dirname, '../support/net/collector-child.ts');
  const collector = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const [port] = (await once(collector.stdout, 'data')) as [Buffer];
    return [await exportFigure(lab, left, sender, watched, port.toString().trim())];
  } finally {
    collector.stdin.end();
    await once(collector, 'exit');
  }
}

async function exportFigure(
  lab: Lab,
  left: string,
  sender: string,
  watched: string,
  port: string,
): Promise<Figure> {
  const metrics = createMetrics('');
  const target = { TARGET_HOST: '127.0.0.1', TARGET_PORT: port };
  const exporter = await createExporter(agentConfig(target), {
    log: pino({ level: 'silent' }),
    metrics,
    clock: systemClock,
    random: Math.random,
    tables: new TableSpace(),
    columns: agentColumns(new Set()),
    stdout: process.stdout,
  });
  await exporter.start(new AbortController().signal);
  const env = {
    INTERFACES: watched,
    CACHE_ACTIVE_TIMEOUT: '1h',
    CACHE_MAX_FLOWS: String(4 * FLOWS),
  };
  const seconds: number[] = [];
  {
    await using host = await startAgent(env, {
      take: () => exporter.take(),
      emit: (batch) => exporter.emit(batch),
    });
    for (let round = 0; round <= ROUNDS; round++) {
      await lab.sweep(left, sender, { flows: FLOWS, perSecond: RATE_PER_SECOND });
      const before = process.cpuUsage();
      await host.agent.drainNow();
      while (exporter.backlog().flows > 0) await systemClock.sleep(POLL_MS);
      const { user, system } = process.cpuUsage(before);
      seconds.push((user + system) / 1e6);
    }
  }
  await exporter.stop();
  const { values } = await metrics.registry.getSingleMetric('exporter_sent_flows_total')!.get();
  const sent = values[0]?.value ?? 0;
  if (sent < (ROUNDS + 1) * FLOWS) throw new Error(`only ${sent} flows were delivered`);
  return {
    name: 'drain of 100k flows without features and their export by gRPC, CPU',
    value: seconds.slice(1).sort((a, b) => a - b)[ROUNDS >> 1]!,
    unit: 's',
    target: { max: 0.15 },
    note: `median of ${ROUNDS}: all threads, until the collector has answered`,
  };
}

if (import.meta.main) console.log(await benchExport());
