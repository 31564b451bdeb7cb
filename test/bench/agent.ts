/** From the kernel's maps to the filled batch: the agent's cost of draining and decoding. */

import { Connections } from '../../src/agent/connections/connections.ts';
import { DrainBuffer } from '../../src/agent/drain/buffer.ts';
import { decodeFlows } from '../../src/agent/drain/decode.ts';
import { InterfaceNames } from '../../src/agent/interfaces/names.ts';
import { createAgentMetrics } from '../../src/agent/metrics.ts';
import type { AgentDeps } from '../../src/agent/root.ts';
import { systemClock } from '../../src/base/clock.ts';
import { agentColumns } from '../../src/flow/agent-columns.ts';
import { BATCH_CAPACITY_ROWS } from '../../src/flow/batch.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import { defaultPipeline } from '../../src/pipeline/defaults.ts';
import { compilePipeline } from '../../src/pipeline/pipeline.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { writeFlow } from '../support/kernel/fake-kernel.ts';
import { Lab } from '../support/lab/netns.ts';
import { startAgent, takeBatch } from '../support/processes/agent-host.ts';
import type { Figure } from './figure.ts';

const FLOWS = 100_000;
const RATE_PER_SECOND = 200_000;
const ROUNDS = 5;
/** A compiler thread takes part in some of them. */
const DECODE_REPEATS = 9;
const DECODE_ROUNDS = 200;

export async function benchAgent(): Promise<readonly Figure[]> {
  return [decodeFigure(), conversationsFigure(), await drainFigure(), await prometheusFigure()];
}

/** All columns of the agent, 4096 flows among 2000 addresses, decoded over and over. */
function decodeFigure(): Figure {
  const buffer = new DrainBuffer(BATCH_CAPACITY_ROWS);
  for (let row = 0; row < BATCH_CAPACITY_ROWS; row++) {
    const flow = {
      src: `10.1.${row % 8}.${row % 250}`,
      dst: `10.2.${row % 4}.${row % 125}`,
      srcPort: 1024 + row,
      dstPort: 443,
      protocol: 6,
      packets: row,
      bytes: 100 * row,
      startNs: row,
      endNs: 2 * row,
      srcMac: '02:00:00:00:00:01',
      dstMac: '02:00:00:00:00:02',
      observed: [{ netns: 1, index: 2, ingress: true }],
    };
    writeFlow(flow, row, buffer.keys, buffer.values);
  }
  const tables = new TableSpace();
  const batch = takeBatch(tables);
  const names = new InterfaceNames();
  names.set(1, 2, 'eth0');
  const facts = { reason: '' as const, names, agentIp: '192.0.2.1', bootOffsetMs: 0, nowMs: 0 };
  const decode = (rounds: number): number => {
    const before = process.cpuUsage();
    for (let round = 0; round < rounds; round++) {
      batch.reset(tables.current);
      decodeFlows(buffer, BATCH_CAPACITY_ROWS, batch, facts);
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  decode(DECODE_ROUNDS);
  const seconds = Array.from({ length: DECODE_REPEATS }, () => decode(DECODE_ROUNDS));
  const rate =
    (DECODE_ROUNDS * BATCH_CAPACITY_ROWS) / seconds.toSorted((a, b) => a - b)[DECODE_REPEATS >> 1]!;
  return { name: 'decoding, all columns of the agent', value: rate, unit: 'flows/CPU-s' };
}

/** Both directions of as many conversations as a drain of the default size has, over and over. */
function conversationsFigure(): Figure {
  const metrics = createAgentMetrics(createMetrics(''), 'info');
  const connections = new Connections({ flowsMax: 5000, idleMs: 2000, metrics });
  const buffer = new DrainBuffer(BATCH_CAPACITY_ROWS);
  for (let row = 0; row < BATCH_CAPACITY_ROWS; row++) {
    const port = 1024 + (row >> 1);
    const ends = ['10.1.0.1', `10.2.0.${port % 250}`] as const;
    const [src, dst] = row % 2 === 0 ? ends : [ends[1], ends[0]];
    const [srcPort, dstPort] = row % 2 === 0 ? [port, 443] : [443, port];
    const flow = {
      src,
      dst,
      srcPort,
      dstPort,
      protocol: row % 4 < 2 ? 6 : 17,
      packets: 1,
      bytes: 1,
    };
    writeFlow({ ...flow, startNs: row + 1 }, row, buffer.keys, buffer.values);
  }
  const batch = takeBatch();
  batch.length = BATCH_CAPACITY_ROWS;
  const names = new InterfaceNames();
  const facts = { reason: '' as const, names, agentIp: '', bootOffsetMs: 0, nowMs: 0 };
  const decode = (): number => {
    const before = process.cpuUsage();
    for (let round = 0; round < DECODE_ROUNDS; round++) {
      connections.prepare();
      connections.decode(buffer, BATCH_CAPACITY_ROWS, batch, facts);
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) * 1000;
  };
  decode();
  return {
    name: 'who opened a conversation and how it ended',
    value: decode() / (DECODE_ROUNDS * BATCH_CAPACITY_ROWS),
    unit: 'ns/flow',
    target: { max: 150 },
  };
}

/** The agent's whole drain: swap, batch reads, decoding; all threads. */
async function drainFigure(): Promise<Figure> {
  const tables = new TableSpace();
  const batch = takeBatch(tables);
  return {
    name: 'drain of 100k flows, CPU, up to the filled batch',
    value: await drainSeconds({
      take() {
        batch.reset(tables.current);
        return batch;
      },
      emit: () => true,
    }),
    unit: 's',
    target: { max: 0.1 },
    note: `median of ${ROUNDS}: swap, batch reads and decoding, all threads`,
  };
}

/** Also through the pipeline of one host: labels, directions, metrics. */
async function prometheusFigure(): Promise<Figure> {
  const pipeline = compilePipeline(defaultPipeline({ prefix: 'netobserv_' }), {
    log: createLog('silent'),
    metrics: createMetrics(''),
    clock: systemClock,
    tables: new TableSpace(),
    source: agentColumns(new Set()),
  });
  await pipeline.start(new AbortController().signal);
  const seconds = await drainSeconds({
    take: () => pipeline.take(),
    emit: (batch) => pipeline.emit(batch),
  });
  await pipeline.stop();
  return {
    name: 'drain of 100k flows and their metrics for Prometheus, CPU',
    value: seconds,
    unit: 's',
    target: { max: 0.2 },
    note: `median of ${ROUNDS}: the default pipeline without a store, in the agent's process`,
  };
}

/** CPU seconds for 100k flows, all threads, from the kernel's map to `sink`. */
async function drainSeconds(sink: Pick<AgentDeps, 'take' | 'emit'>): Promise<number> {
  await using lab = new Lab();
  const left = lab.namespace('left');
  const right = lab.namespace('right');
  const [sender, watched] = lab.pair({ namespace: left }, { namespace: right });
  let flows = 0;
  const env = {
    INTERFACES: watched,
    // Drains only on request.
    CACHE_ACTIVE_TIMEOUT: '1h',
    CACHE_MAX_FLOWS: String(4 * FLOWS),
  };
  await using host = await startAgent(env, {
    take: sink.take,
    emit(batch) {
      flows += batch.length;
      return sink.emit(batch);
    },
  });
  const seconds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    await lab.sweep(left, sender, { flows: FLOWS, perSecond: RATE_PER_SECOND });
    flows = 0;
    const before = process.cpuUsage();
    await host.agent.drainNow();
    const { user, system } = process.cpuUsage(before);
    if (flows < FLOWS) throw new Error(`only ${flows} flows were drained`);
    seconds.push(((user + system) / 1e6) * (FLOWS / flows));
  }
  // The first run compiles.
  return seconds.slice(1).sort((a, b) => a - b)[ROUNDS >> 1]!;
}
