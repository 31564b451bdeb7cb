import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Agent } from '../../../src/agent/agent.ts';
import { type AgentConfig, agentOptions } from '../../../src/agent/config.ts';
import type { AccountingView } from '../../../src/agent/drain/accounting.ts';
import type { Native } from '../../../src/agent/loader/native.ts';
import { type AgentDeps, createAgent } from '../../../src/agent/root.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { hasBit } from '../../../src/flow/bits.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';

/** All columns that the agent fills. */
export const AGENT_LAYOUT = new BatchLayout(agentColumns());

/** An empty batch of all these columns. */
export function takeBatch(tables = new TableSpace()): FlowBatch {
  tables.rotateIfFull();
  return new FlowBatch(AGENT_LAYOUT, tables.current);
}

/** A flow read from a batch, slowly; absent values are undefined. */
export interface FlowView {
  readonly SrcAddr: string;
  readonly DstAddr: string;
  readonly SrcPort: number | undefined;
  readonly DstPort: number | undefined;
  readonly Proto: number;
  readonly Etype: number;
  readonly VlanId: number | undefined;
  readonly Dscp: number;
  readonly Flags: number | undefined;
  readonly IcmpType: number | undefined;
  readonly IcmpCode: number | undefined;
  readonly SrcMac: string;
  readonly DstMac: string;
  readonly Interfaces: readonly string[];
  readonly IfDirections: readonly number[];
  readonly FlowDirection: number;
  readonly Bytes: number;
  readonly Packets: number;
  readonly Sampling: number;
  readonly AgentIP: string;
  readonly TimeFlowStartMs: number;
  readonly TimeFlowEndMs: number;
  readonly TimeReceived: number;
  /** Fields of features. */
  readonly [name: string]: unknown;
}

export function viewFlows(batch: FlowBatch): FlowView[] {
  const { strings } = batch.tables;
  const value = (row: number, name: string): unknown => {
    const column = batch.column(name);
    switch (column.kind) {
      case 'addr':
        return batch.tables.addresses.text(column.values[row]!);
      case 'mac':
        return batch.tables.macs.text(column.values[row]!);
      case 'str':
        return strings.text(column.values[row]!);
      case 'list<str>':
      case 'list<u32>': {
        const ids = [...column.values.subarray(column.offsets[row], column.offsets[row + 1])];
        return column.kind === 'list<u32>' ? ids : ids.map((id) => strings.text(id));
      }
      case 'any':
        return column.values[row];
      default:
        return hasBit(column.present, row) ? column.values[row] : undefined;
    }
  };
  return Array.from({ length: batch.length }, (_, row) =>
    Object.fromEntries(batch.layout.columns.map(({ name }) => [name, value(row, name)])),
  ) as unknown as FlowView[];
}

export function agentConfig(env: Readonly<Record<string, string>> = {}): AgentConfig {
  return loadConfig(agentOptions, { env, flags: {} }).config;
}

/** A running agent on the real kernel whose flows are kept. */
export interface AgentHost extends AsyncDisposable {
  readonly agent: Agent;
  readonly metrics: Metrics;
  readonly flows: FlowView[];
  /** Packets and bytes of all that the hooks have seen so far, recorded or not. */
  seen(): Promise<{ readonly packets: number; readonly bytes: number }>;
  accounting(): AccountingView;
}

/** Interfaces that have all their hooks, with their namespaces. */
export function hookedInterfaces(host: AgentHost): string[] {
  return host.agent
    .status()
    .interfaces.filter(({ directions }) => directions.length === 2)
    .map(({ namespace, name }) => `${namespace}/${name}`)
    .sort();
}

export function loadNative(): Native {
  const path = join(import.meta.dirname, '../../../build/native/netobserv.node');
  return createRequire(import.meta.url)(path) as Native;
}

export async function startAgent(
  env: Readonly<Record<string, string>>,
  overrides: Partial<
    Pick<AgentDeps, 'take' | 'emit' | 'native' | 'log' | 'clock' | 'isInteractive'>
  > = {},
): Promise<AgentHost> {
  const flows: FlowView[] = [];
  const metrics = createMetrics('');
  const tables = new TableSpace();
  const agent = createAgent(agentConfig({ AGENT_IP: '192.0.2.1', ...env }), {
    log: createLog('silent'),
    metrics,
    clock: systemClock,
    takesEmptyFlows: true,
    native: loadNative(),
    object: readFileSync(join(import.meta.dirname, '../../../build/bpf/flows.bpf.o')),
    take: () => takeBatch(tables),
    emit(batch) {
      flows.push(...viewFlows(batch));
      return true;
    },
    ...overrides,
  });
  const accounting = (): AccountingView => {
    const view = agent.status().accounting;
    if (view === undefined) throw new Error('the agent has not started');
    return view;
  };
  let stopped = false;
  try {
    await agent.start(new AbortController().signal);
  } catch (error) {
    await agent.stop();
    throw error;
  }
  return {
    agent,
    metrics,
    flows,
    accounting,
    async seen() {
      await agent.drainNow();
      return sumOf(accounting());
    },
    async [Symbol.asyncDispose]() {
      if (stopped) return;
      stopped = true;
      await agent.stop();
    },
  };
}

/** All packets that the hooks saw, recorded or not. */
export function sumOf(accounting: AccountingView): { packets: number; bytes: number } {
  const parts = Object.values(accounting.unrecorded);
  return {
    packets: parts.reduce(
      (sum, part) => sum + part.packets,
      accounting.recordedPackets + accounting.sampledOutPackets + accounting.filteredPackets,
    ),
    bytes: parts.reduce(
      (sum, part) => sum + part.bytes,
      accounting.recordedBytes + accounting.sampledOutBytes + accounting.filteredBytes,
    ),
  };
}
