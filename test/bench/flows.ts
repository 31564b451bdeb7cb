import {
  BATCH_CAPACITY_ROWS,
  type BatchLayout,
  type Column,
  FlowBatch,
  pushList,
} from '../../src/flow/batch.ts';
import { setBit } from '../../src/flow/bits.ts';
import type { InternTables } from '../../src/flow/intern.ts';

/** Pinned traffic of the same shape as that used to measure `netobserv-ebpf-agent`. */
export const TUPLES = 20_000;
const ADDRESSES = 2000;
const IPV6_SHARE = 0.12;
const SEED = 20_260_721;

/** A small generator with a good spread (mulberry32), so that every run sees the same flows. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SERVER_PORTS = [80, 443, 53, 5432, 6379, 8080, 9090, 22];

type Cell = number | string | readonly (number | string)[];
/** A flow as an object, by names of fields. */
export type Flow = Readonly<Record<string, Cell | undefined>>;

export function pinnedFlows(): readonly Flow[] {
  const next = random(SEED);
  const pick = (count: number): number => Math.floor(next() * count);
  const address = (index: number, v6: boolean): string => {
    // Eight nodes with pods, services, and a little of everything else.
    const net = index % 9;
    if (v6) return `fd01:0:0:${(net % 8) + 1}::${((index >> 3) + 1).toString(16)}`;
    if (net === 8)
      return index % 2 === 0
        ? `172.30.${(index >> 8) & 255}.${index & 255}`
        : `169.254.0.${index & 255}`;
    return `10.128.${net + 1}.${(index >> 3) & 255}`;
  };
  return Array.from({ length: TUPLES }, (): Flow => {
    const v6 = next() < IPV6_SHARE;
    const kind = next();
    const proto = kind < 0.75 ? 6 : kind < 0.97 ? 17 : 1;
    const dns = proto === 17 && next() < 0.5;
    const interfaces = 1 + pick(3);
    return {
      SrcAddr: address(pick(ADDRESSES), v6),
      DstAddr: address(pick(ADDRESSES), v6),
      SrcPort: proto === 1 ? undefined : 32_768 + pick(28_000),
      DstPort: proto === 1 ? undefined : dns ? 53 : SERVER_PORTS[pick(SERVER_PORTS.length)]!,
      Proto: proto,
      Etype: v6 ? 0x86dd : 0x0800,
      FlowDirection: pick(2),
      AgentIP: `10.0.0.${1 + pick(8)}`,
      Flags: proto === 6 ? [0x10, 0x12, 0x110, 0x31a][pick(4)] : undefined,
      Bytes: 64 + pick(100_000),
      Packets: 1 + pick(100),
      TimeFlowRttNs: proto === 6 && next() < 0.8 ? 1e5 + pick(3e8) : undefined,
      DnsId: dns ? 1 + pick(65_535) : undefined,
      DnsLatencyMs: dns ? pick(200) : undefined,
      DnsFlagsResponseCode: dns ? (pick(10) === 0 ? 'NXDomain' : 'NoError') : undefined,
      Interfaces: Array.from({ length: interfaces }, (_, index) => `eth${index}`),
      IfDirections: Array.from({ length: interfaces }, () => pick(2)),
      Udns: ['default'],
    };
  });
}

/** The pinned flows as batches of a layout; the column loops of a source copy from them. */
export function pinnedBatches(layout: BatchLayout, tables: InternTables): readonly FlowBatch[] {
  const flows = pinnedFlows();
  const batches: FlowBatch[] = [];
  for (let start = 0; start < flows.length; start += BATCH_CAPACITY_ROWS) {
    const batch = new FlowBatch(layout, tables);
    for (const flow of flows.slice(start, start + BATCH_CAPACITY_ROWS)) {
      const row = batch.length++;
      for (const { name } of layout.columns) setCell(batch, name, row, flow[name]);
    }
    batches.push(batch);
  }
  return batches;
}

function setCell(batch: FlowBatch, name: string, row: number, cell: Cell | undefined): void {
  const column = batch.column(name);
  if (column.kind === 'list<str>' || column.kind === 'list<u32>') {
    let end = row === 0 ? 0 : column.offsets[row]!;
    for (const value of Array.isArray(cell) ? cell : []) {
      const item = typeof value === 'string' ? batch.tables.strings.intern(value) : value;
      end = pushList(column, end, item);
    }
    column.offsets[row + 1] = end;
    return;
  }
  if (cell === undefined || column.kind === 'any') return;
  switch (column.kind) {
    case 'str':
      column.values[row] = batch.tables.strings.intern(String(cell));
      return;
    case 'addr':
      column.values[row] = batch.tables.addresses.internText(String(cell));
      return;
    case 'mac':
      column.values[row] = batch.tables.macs.internText(String(cell));
      return;
    default:
      if (!('present' in column)) return;
      column.values[row] = Number(cell);
      setBit(column.present, row);
  }
}

/** Copies another batch's rows into a batch, which then looks as a decoder leaves it. */
export function copyBatch(from: FlowBatch, to: FlowBatch): void {
  for (const { name } of from.layout.columns) copyColumn(from.column(name), to.column(name));
  to.length = from.length;
}

function copyColumn(from: Column, to: Column): void {
  if (from.kind === 'any' || to.kind === 'any') return;
  if ('offsets' in from && 'offsets' in to) {
    to.offsets.set(from.offsets);
    to.values = from.values.slice();
    return;
  }
  to.values.set(from.values);
  if ('present' in from && 'present' in to) to.present.set(from.present);
}
