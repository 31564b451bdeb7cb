import { sflowColumns } from '../../../src/codec/sflow/columns.ts';
import { type SflowOutcome, SflowReader } from '../../../src/codec/sflow/flow-reader.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { type Row, rowsOf } from '../../../src/flow/row.ts';
import { octets, v4 } from './netflow-bytes.ts';

/** Datagrams of sFlow 5, put together by sflow.org/sflow_version_5.txt. */

export const words = (...values: readonly number[]): Buffer =>
  octets(...values.map((value) => [4, value] as const));

/** Opaque data of variable length: its length, itself, zeros up to a word. */
export function opaque(data: Uint8Array): Buffer {
  return Buffer.concat([words(data.length), data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
}

/** An address with its type: IPv4 as text, IPv6 as its 16 octets, or the unknown one. */
export function address(of: string | Uint8Array | undefined): Buffer {
  if (of === undefined) return words(0);
  if (typeof of === 'string') return Buffer.concat([words(1), v4(of)]);
  return Buffer.concat([words(2), of]);
}

export interface SflowHeader {
  readonly agent?: string | Uint8Array | undefined;
  readonly subAgent?: number;
  readonly sequence?: number;
  readonly uptimeMs?: number;
  readonly count?: number;
}

export function sflow(header: SflowHeader, ...samples: readonly Uint8Array[]): Buffer {
  const { subAgent = 0, sequence = 1, uptimeMs = 60_000, count = samples.length } = header;
  const agent = 'agent' in header ? header.agent : '192.0.2.99';
  const rest = words(subAgent, sequence, uptimeMs, count);
  return Buffer.concat([words(5), address(agent), rest, ...samples]);
}

/** A sample or a record: its format and its octets. */
export function part(format: number, body: Uint8Array): Buffer {
  return Buffer.concat([words(format), opaque(body)]);
}

export interface SampleHead {
  readonly sequence?: number;
  /** Type and index. */
  readonly source?: readonly [number, number];
  readonly rate?: number;
  readonly drops?: number;
  /** Format and value. */
  readonly input?: readonly [number, number];
  readonly output?: readonly [number, number];
  readonly count?: number;
}

const HEAD: Required<Omit<SampleHead, 'count'>> = {
  ...{ sequence: 1, source: [0, 3], rate: 100, drops: 0, input: [0, 3], output: [0, 7] },
};

export function flowSample(head: SampleHead, ...records: readonly Uint8Array[]): Buffer {
  const { sequence, source, rate, drops, input, output } = { ...HEAD, ...head };
  const numbers = words(
    ...[sequence, source[0] * 2 ** 24 + source[1], rate, 12_345, drops],
    ...[input[0] * 2 ** 30 + input[1], output[0] * 2 ** 30 + output[1]],
    head.count ?? records.length,
  );
  return part(1, Buffer.concat([numbers, ...records]));
}

export function expandedSample(head: SampleHead, ...records: readonly Uint8Array[]): Buffer {
  const { sequence, source, rate, drops, input, output } = { ...HEAD, ...head };
  const numbers = [sequence, ...source, rate, 12_345, drops, ...input, ...output];
  return part(3, Buffer.concat([words(...numbers, head.count ?? records.length), ...records]));
}

/** Octets; unicast, multicast and broadcast packets; discards, errors. */
export type InterfaceNumbers = readonly [number, number, number, number, number, number];

/** A counter sample with the generic counters of an interface. */
export function counterSample(
  index: number,
  incoming: InterfaceNumbers,
  outgoing: InterfaceNumbers,
): Buffer {
  const record = words(
    ...[index, 6, 0, 1_000_000_000, 1, 3],
    ...[0, ...incoming, 0],
    ...[0, ...outgoing, 0],
  );
  return part(2, Buffer.concat([words(1, index, 1), part(1, record)]));
}

/** The beginning of a packet; 1 is Ethernet. */
export function rawHeader(header: Uint8Array, frameBytes = 1500, protocol = 1): Buffer {
  return part(1, Buffer.concat([words(protocol, frameBytes, 4), opaque(header)]));
}

interface TakenCounters {
  readonly agent: string;
  readonly index: number;
  readonly incoming: readonly number[];
  readonly outgoing: readonly number[];
}

export interface TestSflow {
  readonly reader: SflowReader;
  /** Counters of interfaces that were read. */
  readonly counters: readonly TakenCounters[];
  /** Reads a datagram; returns what became of it, with the flows as rows. */
  read(
    bytes: Uint8Array,
    options?: Readonly<{ address?: string; nowMs?: number; isFull?: boolean }>,
  ): SflowOutcome & { readonly rows: readonly Row[] };
}

/** A reader that fills all columns. */
export function testSflow(corrects = false): TestSflow {
  const layout = new BatchLayout(sflowColumns());
  const counters: TakenCounters[] = [];
  const reader = new SflowReader(layout, {
    corrects,
    takeCounters(agent, { index, incoming, outgoing }) {
      counters.push({ agent, index, incoming: [...incoming], outgoing: [...outgoing] });
      return true;
    },
  });
  const tables = new TableSpace();
  const batch = new FlowBatch(layout, tables.current, 4096);
  return {
    reader,
    counters,
    read(bytes, { address = '192.0.2.1', nowMs = 0, isFull = false } = {}) {
      batch.reset(tables.current);
      const room = (): FlowBatch | undefined => (isFull ? undefined : batch);
      const outcome = reader.read(bytes, { address, port: 1 }, 1_700_000_001_500, nowMs, room);
      return { ...outcome, skips: { ...outcome.skips }, rows: rowsOf(batch) };
    },
  };
}
