import type { DatagramOutcome } from '../../../src/codec/exporters/datagram.ts';
import { readColumns } from '../../../src/codec/netflow/elements-read.ts';
import { FlowReader } from '../../../src/codec/netflow/flow-reader.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { type Row, rowsOf } from '../../../src/flow/row.ts';

/** Datagrams of NetFlow and IPFIX, put together by the formats of the RFCs. */

/** Big-endian numbers: `[octets, value]`. */
export function octets(...numbers: readonly (readonly [octets: number, value: number])[]): Buffer {
  return Buffer.concat(
    numbers.map(([length, value]) => {
      const bytes = Buffer.alloc(length);
      let rest = BigInt(value);
      for (let at = length - 1; at >= 0; at--) {
        bytes[at] = Number(rest & 255n);
        rest >>= 8n;
      }
      return bytes;
    }),
  );
}

export const v4 = (text: string): Buffer => Buffer.from(text.split('.').map(Number));

export function set(id: number, ...bodies: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(bodies);
  return Buffer.concat([octets([2, id], [2, 4 + body.length]), body]);
}

/** A field of a template: element, octets, and the enterprise if it has one. */
export type Field = readonly [id: number, length: number, enterprise?: number];

function fieldBytes([id, length, enterprise]: Field): Buffer {
  if (enterprise === undefined) return octets([2, id], [2, length]);
  return octets([2, id | 0x8000], [2, length], [4, enterprise]);
}

export function template(id: number, fields: readonly Field[]): Buffer {
  return Buffer.concat([octets([2, id], [2, fields.length]), ...fields.map(fieldBytes)]);
}

/** RFC 7011, section 3.4.2.2. */
export function optionsTemplate(id: number, scopes: number, fields: readonly Field[]): Buffer {
  const head = octets([2, id], [2, fields.length], [2, scopes]);
  return Buffer.concat([head, ...fields.map(fieldBytes)]);
}

/** RFC 3954, section 6.1: lengths in octets instead of counts. */
export function optionsTemplate9(
  id: number,
  scopes: readonly Field[],
  options: readonly Field[],
): Buffer {
  const head = octets([2, id], [2, scopes.length * 4], [2, options.length * 4]);
  return Buffer.concat([head, ...[...scopes, ...options].map(fieldBytes)]);
}

export interface IpfixHeader {
  readonly exportS?: number;
  readonly sequence?: number;
  readonly domain?: number;
}

/** RFC 7011, section 3.1. */
export function ipfix(
  { exportS = 1_700_000_000, sequence = 0, domain = 1 }: IpfixHeader,
  ...sets: readonly Uint8Array[]
): Buffer {
  const body = Buffer.concat(sets);
  const head = octets([2, 10], [2, 16 + body.length], [4, exportS], [4, sequence], [4, domain]);
  return Buffer.concat([head, body]);
}

export interface V9Header {
  readonly uptimeMs?: number;
  readonly exportS?: number;
  readonly sequence?: number;
  readonly source?: number;
}

/** RFC 3954, section 5.1. */
export function v9(
  { uptimeMs = 1_000_000, exportS = 1_700_000_000, sequence = 0, source = 1 }: V9Header,
  ...sets: readonly Uint8Array[]
): Buffer {
  const head = octets(
    ...([
      [2, 9],
      [2, sets.length],
      [4, uptimeMs],
      [4, exportS],
      [4, sequence],
      [4, source],
    ] as const),
  );
  return Buffer.concat([head, ...sets]);
}

export interface V5Header extends V9Header {
  readonly count?: number;
  readonly nanoseconds?: number;
  readonly engine?: number;
  readonly sampling?: number;
}

/** Cisco's format of NetFlow 5; each record has 48 octets. */
export function v5(header: V5Header, ...records: readonly Uint8Array[]): Buffer {
  const { uptimeMs = 1_000_000, exportS = 1_700_000_000, sequence = 0, nanoseconds = 0 } = header;
  const { engine = 0, sampling = 0, count = records.length } = header;
  const head = octets(
    ...([
      [2, 5],
      [2, count],
      [4, uptimeMs],
      [4, exportS],
      [4, nanoseconds],
      [4, sequence],
      [2, engine],
      [2, sampling],
    ] as const),
  );
  return Buffer.concat([head, ...records]);
}

export interface TestReader {
  readonly reader: FlowReader;
  readonly batch: FlowBatch;
  /** Reads a datagram; returns what became of it, with the flows as rows. */
  read(
    bytes: Uint8Array,
    options?: Readonly<{ address?: string; port?: number; nowMs?: number; isFull?: boolean }>,
  ): DatagramOutcome & { readonly rows: readonly Row[] };
}

/** A reader that fills all columns. */
export function testReader(...options: readonly unknown[]): TestReader {
  const [own = [], how = {}] = options as [ConstructorParameters<typeof FlowReader>[1]?, object?];
  const layout = new BatchLayout(readColumns(own));
  const reader = new FlowReader(layout, own, how);
  const tables = new TableSpace();
  const batch = new FlowBatch(layout, tables.current, 4096);
  return {
    reader,
    batch,
    read(bytes, { address = '192.0.2.1', port = 2055, nowMs = 0, isFull = false } = {}) {
      batch.reset(tables.current);
      const room = (): FlowBatch | undefined => (isFull ? undefined : batch);
      const outcome = reader.read(bytes, { address, port }, 1_700_000_001_500, nowMs, room);
      return { ...outcome, rows: rowsOf(batch) };
    },
  };
}
