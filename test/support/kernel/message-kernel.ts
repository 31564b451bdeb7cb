import { dnsQuery, flowKey, message as layout } from '../../../src/agent/drain/layout.gen.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import { FakeKernel } from './fake-kernel.ts';

/** A DNS query that waits in the kernel's map. */
export interface Query {
  readonly source: string;
  readonly port: number;
  readonly id: number;
  readonly askedMs: number;
  /** Beyond its sender's share. */
  readonly isBusy?: boolean;
  /** The bytes after the header. */
  readonly question?: Uint8Array;
}

/** A kernel that has sent messages, and in which queries wait. */
export class MessageKernel extends FakeKernel {
  /** Data of each reading of the ring; the last one is repeated. */
  pieces: Uint8Array[] = [new Uint8Array(0)];
  reads = 0;
  queries: Query[] = [];
  readonly removed: string[] = [];
  /** Thrown when entries are read. */
  broken: Error | undefined;

  /** Puts records into the ring, to be read once. */
  leave(...records: readonly Uint8Array[]): void {
    this.pieces = [Buffer.concat(records), new Uint8Array(0)];
  }

  override readRing(_object: BpfObject, _map: string, into: Uint8Array): number {
    this.reads++;
    const piece = this.pieces.length > 1 ? this.pieces.shift()! : this.pieces[0]!;
    into.set(piece);
    return piece.length;
  }

  override async readEntries(
    _object: BpfObject,
    map: string,
    keys: Uint8Array,
    values: Uint8Array,
  ): Promise<number> {
    if (this.broken !== undefined) throw this.broken;
    const queries = this.queries.filter(({ isBusy = false }) => map.startsWith('busy_') === isBusy);
    for (const [index, query] of queries.entries()) {
      keys.set(queryKey(query, query.id), index * flowKey.sizeBytes);
      const view = new DataView(values.buffer, values.byteOffset);
      const at = index * dnsQuery.sizeBytes;
      const { askedMs, question = new Uint8Array(0) } = query;
      view.setBigUint64(at + dnsQuery.timeNs, BigInt(askedMs) * 1_000_000n, true);
      view.setUint16(at + dnsQuery.length, question.length, true);
      values.set(question, at + dnsQuery.question);
    }
    return queries.length;
  }

  override async removeEntries(
    _object: BpfObject,
    _map: string,
    keys: Uint8Array,
  ): Promise<number> {
    for (let at = 0; at < keys.length; at += flowKey.sizeBytes) {
      const key = Buffer.from(keys.subarray(at, at + flowKey.sizeBytes)).toString('hex');
      this.removed.push(key);
      this.queries = this.queries.filter((each) => queryKey(each, each.id).toString('hex') !== key);
    }
    return keys.length / flowKey.sizeBytes;
  }
}

/** Key of a flow to port 53 of the same host, with an id in place of ICMP's type and code. */
export function queryKey({ source, port }: Pick<Query, 'source' | 'port'>, id: number): Buffer {
  const key = Buffer.alloc(flowKey.sizeBytes);
  key.set(parseAddress(source)!, flowKey.srcIp);
  key.set(parseAddress(source)!, flowKey.dstIp);
  key.writeUInt16LE(port, flowKey.srcPort);
  key.writeUInt16LE(53, flowKey.dstPort);
  key[flowKey.protocol] = 17;
  key.writeUInt16BE(id, flowKey.icmpType);
  return key;
}

export interface MessageOptions {
  /** The length that its head claims. */
  readonly claimed?: number;
  /** TCP sequence number. */
  readonly sequence?: number;
  /** Length of the query's question in bytes. */
  readonly asked?: number;
  /** When its packet came, by the kernel's clock. */
  readonly timeMs?: number;
}

/** A message as readRing() leaves it, in a buffer larger than its payload. */
export function messageRecord(
  kind: number,
  key: Uint8Array,
  payload: Uint8Array,
  { claimed = payload.length, sequence = 0, asked = 0, timeMs = 0 }: MessageOptions = {},
): Buffer {
  const body = Buffer.alloc(layout.sizeBytes + payload.length + 5);
  body.set(key, layout.key);
  body.writeUInt32LE(claimed, layout.length);
  body.writeUInt32LE(sequence, layout.sequence);
  body.writeUInt16LE(asked, layout.asked);
  body.writeBigUInt64LE(BigInt(timeMs) * 1_000_000n, layout.timeNs);
  body[layout.kind] = kind;
  body.set(payload, layout.sizeBytes);
  const length = Buffer.alloc(8);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body, Buffer.alloc(-body.length & 7)]);
}
