import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pino } from 'pino';
import { createExporter } from '../../src/agent/export/exporters.ts';
import { systemClock, systemRandom } from '../../src/base/clock.ts';
import { IpfixWriter } from '../../src/codec/netflow/ipfix-writer.ts';
import { RecordEncoder } from '../../src/codec/pbflow/encoder.ts';
import { requestsOf } from '../../src/deliver/encoders/kafka.ts';
import { agentColumns } from '../../src/flow/agent-columns.ts';
import { BatchLayout, type FlowBatch } from '../../src/flow/batch.ts';
import type { Feature } from '../../src/flow/field.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { agentConfig } from '../support/processes/agent-host.ts';
import type { Figure } from './figure.ts';
import { copyBatch, pinnedBatches } from './flows.ts';

const FLOWS = 100_000;
const RUNS = 5;
const FEATURES: ReadonlySet<Feature> = new Set<Feature>(['flowRTT', 'dnsTracking']);
const PARTITIONS = 12;

/** The agent's CPU time for sending a flow; receivers do not count. */
export async function benchKafkaIpfix(): Promise<readonly Figure[]> {
  const tables = new TableSpace();
  const layout = new BatchLayout(agentColumns(FEATURES));
  const batches = pinnedBatches(layout, tables.current);
  return [...encoding(layout, batches), await sending(tables)];
}

function encoding(layout: BatchLayout, batches: readonly FlowBatch[]): readonly Figure[] {
  const options = {
    ...{ domain: 1, messageMaxBytes: 1024, enterprise: 0, agentIsV6: false },
    ...{ shortFlags: false, samplingOption: 0 },
  };
  const writer = new IpfixWriter(layout, options);
  const encoder = new RecordEncoder('bare');
  const limits = { messagesMax: 1000, bytesMax: 2 ** 20 };
  let octets = 0;
  const ipfix = microseconds(batches, (batch) => {
    octets = 0;
    for (const { bytes } of writer.encode(batch)) octets += bytes.length;
  });
  const last = batches.at(-1)!;
  const kafka = microseconds(batches, (batch) => {
    encoder.encode(batch);
    requestsOf(batch, encoder, PARTITIONS, limits);
  });
  return [
    {
      name: 'IPFIX, encoding of a flow',
      value: ipfix,
      unit: 'µs',
      note: `${Math.round(octets / last.length)} bytes per flow`,
    },
    {
      name: `Kafka, encoding of a flow and dividing among ${PARTITIONS} partitions`,
      value: kafka,
      unit: 'µs',
    },
  ];
}

/** The whole exporter over a real socket, until the last datagram has left. */
async function sending(tables: TableSpace): Promise<Figure> {
  const program = `
    const socket = require('node:dgram').createSocket('udp4');
    socket.on('message', () => {});
    socket.bind(0, '127.0.0.1', () => console.log(socket.address().port));
  `;
  const sink = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = (await once(sink.stdout, 'data')) as [Buffer];
  const env = { EXPORT: 'ipfix+udp', TARGET_HOST: '127.0.0.1', TARGET_PORT: String(Number(port)) };
  const exporter = await createExporter(agentConfig(env), {
    log: pino({ level: 'silent' }),
    metrics: createMetrics('bench_'),
    clock: systemClock,
    random: systemRandom,
    tables,
    columns: agentColumns(FEATURES),
    stdout: process.stdout,
  });
  await exporter.start(new AbortController().signal);
  const batches = pinnedBatches(exporter.take().layout, tables.current);
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let flows = 0;
  for (let index = 0; flows < FLOWS; index++) {
    const batch = exporter.take();
    copyBatch(batches[index % batches.length]!, batch);
    flows += batch.length;
    if (!exporter.emit(batch)) throw new Error('the spool is full');
  }
  // Waits until everything is sent.
  await exporter.stop();
  const { user, system } = process.cpuUsage(cpu);
  const tookMs = performance.now() - startMs;
  sink.kill();
  return {
    name: 'IPFIX over UDP, encoding and sending of a flow',
    value: (user + system) / flows,
    unit: 'µs',
    note: `${flows} flows in ${Math.round(tookMs)} ms, in bursts that a collector can take`,
  };
}

/** CPU time per flow, the median of some runs after one to warm up. */
function microseconds(batches: readonly FlowBatch[], run: (batch: FlowBatch) => void): number {
  const spent = Array.from({ length: RUNS + 1 }, () => {
    const start = process.cpuUsage();
    let flows = 0;
    for (let index = 0; flows < FLOWS; index++) {
      const batch = batches[index % batches.length]!;
      run(batch);
      flows += batch.length;
    }
    const { user, system } = process.cpuUsage(start);
    return (user + system) / flows;
  });
  return spent.slice(1).sort((a, b) => a - b)[RUNS >> 1]!;
}

if (import.meta.main) console.log(await benchKafkaIpfix());
