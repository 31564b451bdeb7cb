/** A datapath that reads payloads, fed one frame at a time. */
import {
  config as configLayout,
  dnsMetrics,
  dnsQuery,
  flowKey,
  message as messageLayout,
  tlsMetrics,
} from '../../../src/agent/drain/layout.gen.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { loadDatapath, native, shared, TEST_HOOKS, takeFlows } from './datapath.ts';
import { EtherType, ethernet, Flag, ipv4, Proto, tcp, udp } from './frames.ts';

const CLIENT = [10, 0, 0, 1];
const SERVER = [10, 0, 0, 2];
const QUERIES_MAX = 64;

export interface DnsSeen {
  readonly key: string;
  readonly latencyNs: bigint;
  readonly queries: number;
  readonly repeated: number;
  readonly id: number;
  readonly flags: number;
  readonly error: number;
  readonly seen: number;
}

export interface Sent {
  readonly kind: number;
  readonly missing: number;
  readonly payload: Buffer;
}

export interface SegmentOptions {
  /** From port 40,000 to 443 by default, or as the server in the other direction. */
  readonly port?: number;
  readonly clientPort?: number;
  readonly fromServer?: boolean;
  readonly optionWords?: number;
  readonly sequence?: number;
  readonly flags?: number;
}

export class PayloadBed implements Disposable {
  readonly object: BpfObject;

  constructor(ringBytes = 1 << 20) {
    this.object = loadDatapath({
      object: 'flows_test',
      programs: TEST_HOOKS,
      extensions: [
        { at: 'dnsAt', sizeBytes: dnsMetrics.sizeBytes },
        { at: 'tlsAt', sizeBytes: tlsMetrics.sizeBytes },
      ],
      configure: (view) => view.setUint16(configLayout.dnsPort, 53, true),
      maxEntries: { messages: ringBytes, dns_queries: QUERIES_MAX, dns_streams: 64 },
    });
  }

  run(...frames: readonly Buffer[]): void {
    for (const frame of frames) {
      native.testRun(this.object, { program: 'test_ingress_l2', frame });
    }
  }

  async dns(): Promise<DnsSeen[]> {
    return (await takeFlows(this.object)).map(({ key, extensions }) => ({
      key,
      latencyNs: extensions.readBigUInt64LE(dnsMetrics.latencyNs),
      queries: extensions.readUInt32LE(dnsMetrics.queries),
      repeated: extensions.readUInt32LE(dnsMetrics.repeated),
      id: extensions.readUInt16LE(dnsMetrics.id),
      flags: extensions.readUInt16LE(dnsMetrics.flags),
      error: extensions.readUInt16LE(dnsMetrics.error),
      seen: extensions[dnsMetrics.seen]!,
    }));
  }

  /** Types, the flag `known`, hellos, misses. */
  async tls(): Promise<number[]> {
    const [flow] = await takeFlows(this.object);
    const at = dnsMetrics.sizeBytes;
    const { types, known, hellos, misses } = tlsMetrics;
    return [types, known, hellos, misses].map((offset) => flow!.extensions[at + offset]!);
  }

  messages(map = 'messages'): Sent[] {
    return this.records(map).map((body) => {
      const from = messageLayout.sizeBytes;
      const isWhole = body.length >= from;
      const length = isWhole ? body.readUInt32LE(messageLayout.length) : 0;
      return {
        kind: body[messageLayout.kind]!,
        missing: isWhole ? body.readUInt32LE(messageLayout.missing) : 0,
        payload: body.subarray(from, from + length),
      };
    });
  }

  /** A ring's content, unchanged. */
  records(map = 'messages'): Buffer[] {
    const buffer = Buffer.alloc(1 << 20);
    const used = native.readRing(this.object, map, buffer, 4096);
    const found: Buffer[] = [];
    for (let at = 0; at < used; ) {
      const length = buffer.readUInt32LE(at);
      found.push(buffer.subarray(at + 8, at + 8 + length));
      at += 8 + ((length + 7) & ~7);
    }
    return found;
  }

  async queriesWaiting(): Promise<number> {
    const keys = shared(QUERIES_MAX * flowKey.sizeBytes);
    const values = shared(QUERIES_MAX * dnsQuery.sizeBytes);
    return native.readEntries(this.object, 'dns_queries', keys, values);
  }

  [Symbol.dispose](): void {
    native.close(this.object);
  }
}

/** A datagram between a client with port 40,000 and a server with port 53. */
export function datagram(payload: Buffer, fromServer: boolean): Buffer {
  const [source, target] = fromServer ? [53, 40_000] : [40_000, 53];
  const packet = udp(payload.length, source, target);
  payload.copy(packet, 8);
  const ends = fromServer ? { source: SERVER, target: CLIENT } : { source: CLIENT, target: SERVER };
  return ethernet(EtherType.ipv4, ipv4(Proto.udp, packet, ends));
}

export function segment(payload: Buffer, options: SegmentOptions = {}): Buffer {
  const { port = 443, clientPort = 40_000, fromServer = false, optionWords = 0 } = options;
  const { sequence = 0, flags = Flag.ack | Flag.psh } = options;
  const packet = Buffer.concat([tcp(flags, 0, optionWords), payload]);
  packet.writeUInt16BE(fromServer ? port : clientPort, 0);
  packet.writeUInt16BE(fromServer ? clientPort : port, 2);
  packet.writeUInt32BE(sequence, 4);
  const ends = fromServer ? { source: SERVER, target: CLIENT } : { source: CLIENT, target: SERVER };
  return ethernet(EtherType.ipv4, ipv4(Proto.tcp, packet, ends));
}
