import { pino } from 'pino';
import type { Exporter } from '../../../src/agent/export/exporter.ts';
import { createExporter } from '../../../src/agent/export/exporters.ts';
import { systemClock, systemRandom } from '../../../src/base/clock.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { TcpFlag } from '../../../src/flow/enums.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { appendRow, type Row } from '../../../src/flow/row.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { agentConfig } from '../processes/agent-host.ts';

/** A flow as a collector shows it, in a form common to all collectors. */
export interface Seen {
  readonly source: string;
  readonly target: string;
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly protocol: number;
  readonly packets: number;
  readonly bytes: number;
}

export const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

/** Flow `index`: IPv4 and IPv6, TCP and UDP; no two have the same addresses and ports. */
export function flow(index: number): Row {
  const isV6 = index % 4 === 3;
  const isTcp = index % 3 !== 0;
  const host = index % 250;
  return {
    SrcAddr: isV6 ? `2001:db8::${(host + 1).toString(16)}` : `10.0.0.${host + 1}`,
    DstAddr: isV6 ? '2001:db8:1::1' : '10.1.0.1',
    SrcPort: 1024 + (index % 60_000),
    DstPort: isTcp ? 443 : 53,
    Proto: isTcp ? 6 : 17,
    Etype: isV6 ? 0x86dd : 0x0800,
    Flags: isTcp ? TcpFlag.SYN_ACK | TcpFlag.PSH : 0,
    // Values beyond 32 bits, too.
    Bytes: index === 5 ? 5_000_000_000 : 100 + index,
    Packets: 1 + (index % 10),
    TimeFlowStartMs: START_MS + index,
    TimeFlowEndMs: START_MS + index + 1000,
    SrcMac: '02:00:00:00:00:01',
    DstMac: '02:00:00:00:00:02',
    Interfaces: ['eth0', 'veth1'],
    IfDirections: [index % 2, 1],
    AgentIP: '192.0.2.1',
    Dscp: 46,
  };
}

export function seenOf(index: number): Seen {
  const row = flow(index);
  return {
    source: String(row.SrcAddr),
    target: String(row.DstAddr),
    sourcePort: Number(row.SrcPort),
    targetPort: Number(row.DstPort),
    protocol: Number(row.Proto),
    packets: Number(row.Packets),
    bytes: Number(row.Bytes),
  };
}

/** Sorts in an order that does not depend on the collector. */
export function sorted(flows: readonly Seen[]): readonly Seen[] {
  return flows.toSorted((a, b) => a.sourcePort - b.sourcePort || (a.source < b.source ? -1 : 1));
}

/** Flows `[from, to)` as a collector should see them. */
export function wanted(from: number, to: number): readonly Seen[] {
  return sorted(Array.from({ length: to - from }, (_, i) => seenOf(from + i)));
}

export interface Sender {
  readonly exporter: Exporter;
  /** Hands over flows `[from, to)` as one batch. */
  emit(from: number, to: number): boolean;
  /** Hands over the given flows as one batch. */
  emitRows(rows: readonly Row[]): boolean;
  /** Sums a metric. */
  value(name: string): Promise<number>;
}

export async function startSender(
  protocol: 'udp' | 'tcp',
  port: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Sender> {
  const metrics = createMetrics('t_');
  const target = { TARGET_HOST: '127.0.0.1', TARGET_PORT: String(port) };
  const config = agentConfig({ EXPORT: `ipfix+${protocol}`, ...target, ...env });
  const exporter = await createExporter(config, {
    log: pino({ level: 'silent' }),
    metrics,
    clock: systemClock,
    random: systemRandom,
    tables: new TableSpace(),
    columns: agentColumns(),
    stdout: process.stdout,
  });
  await exporter.start(new AbortController().signal);
  const emitRows = (rows: readonly Row[]): boolean => {
    const batch = exporter.take();
    for (const row of rows) appendRow(batch, row, new Map());
    return exporter.emit(batch);
  };
  return {
    exporter,
    emit: (from, to) => emitRows(Array.from({ length: to - from }, (_, i) => flow(from + i))),
    emitRows,
    async value(name) {
      const metric = await metrics.registry.getSingleMetric(`t_${name}`)!.get();
      return metric.values.reduce((sum, entry) => sum + entry.value, 0);
    },
  };
}
