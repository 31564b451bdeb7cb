import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';

/** A packet of a capture file. */
export interface FilePacket {
  /** Epoch, microseconds. */
  readonly timeUs: number;
  readonly original: number;
  readonly frame: Buffer;
}

/** Size of tcpdump's ring: all packets of a test fit. */
const BUFFER_KIB = '65536';
const WAIT_MS = 50;
const WAITS_MAX = 100;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;

/** The classic format, little-endian, microseconds. */
export function readPcap(bytes: Buffer): readonly FilePacket[] {
  if (bytes.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error('no pcap file');
  const packets: FilePacket[] = [];
  // The last record may be incomplete.
  for (let at = FILE_HEADER_BYTES; at + RECORD_HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8);
    if (at + RECORD_HEADER_BYTES + length > bytes.length) break;
    const start = at + RECORD_HEADER_BYTES;
    packets.push({
      timeUs: bytes.readUInt32LE(at) * 1e6 + bytes.readUInt32LE(at + 4),
      original: bytes.readUInt32LE(at + 12),
      frame: bytes.subarray(start, start + length),
    });
    at = start + length;
  }
  return packets;
}

/** A capture of any format as tcpdump converts it: it reads the capture and writes another file. */
export function throughTcpdump(capture: Uint8Array): readonly FilePacket[] {
  return inFolder((folder) => {
    const [from, to] = [join(folder, 'in'), join(folder, 'out.pcap')];
    writeFileSync(from, capture);
    execFileSync('tcpdump', ['-r', from, '-w', to], { stdio: 'pipe' });
    return readPcap(readFileSync(to));
  });
}

/** tcpdump's lines for a capture. */
export function describeByTcpdump(capture: Uint8Array, ...args: readonly string[]): string[] {
  return inFolder((folder) => {
    const from = join(folder, 'in');
    writeFileSync(from, capture);
    const options = { encoding: 'utf8', stdio: 'pipe' } as const;
    return execFileSync('tcpdump', ['-nr', from, ...args], options)
      .trim()
      .split('\n');
  });
}

/** tcpdump running on an interface. */
export class Tcpdump {
  readonly #child;
  readonly #folder = mkdtempSync(join(tmpdir(), 'netobserv-pcap-'));

  private constructor(namespace: string, device: string, filter: string) {
    const args = [
      '--immediate-mode',
      '-B',
      BUFFER_KIB,
      '-Uni',
      device,
      '-w',
      join(this.#folder, 'out.pcap'),
      filter,
    ];
    const command = ['netns', 'exec', namespace, 'tcpdump', ...args];
    this.#child = spawn('ip', command, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  static async start(namespace: string, device: string, filter: string): Promise<Tcpdump> {
    const dump = new Tcpdump(namespace, device, filter);
    await once(dump.#child.stderr!, 'data');
    return dump;
  }

  /**
   * Ends it, and returns the captured packets. tcpdump lags a little: the call waits for the
   * expected number of packets, but not for ever.
   */
  async stop(expected: number): Promise<readonly FilePacket[]> {
    const path = join(this.#folder, 'out.pcap');
    for (let waits = 0; waits < WAITS_MAX; waits++) {
      if (readPcap(readFileSync(path)).length >= expected) break;
      await systemClock.sleep(WAIT_MS);
    }
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGINT');
    await ended;
    const packets = readPcap(readFileSync(path));
    rmSync(this.#folder, { recursive: true });
    return packets;
  }
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-pcap-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A block of a pcapng file: its type, and the content between its two lengths. */
interface RawBlock {
  readonly type: number;
  readonly body: Buffer;
}

/** A pcapng file, little-endian, by its specification: interfaces, packets, statistics. */
export interface PcapngFile {
  readonly application: string;
  readonly interfaces: readonly {
    readonly name: string;
    readonly linkType: number;
    readonly snapLength: number;
    readonly received: number | undefined;
    readonly dropped: number | undefined;
  }[];
  readonly packets: readonly {
    readonly place: number;
    /** Epoch. */
    readonly timeNs: bigint;
    readonly original: number;
    readonly direction: number;
    readonly frame: Buffer;
  }[];
}

export function readPcapng(bytes: Buffer): PcapngFile {
  const blocks = blocksOf(bytes);
  const [section] = blocks;
  if (section?.type !== 0x0a0d0d0a || section.body.readUInt32LE(0) !== 0x1a2b3c4d) {
    throw new Error('no pcapng file');
  }
  const ofType = (type: number): Buffer[] =>
    blocks.filter((block) => block.type === type).map(({ body }) => body);
  const statistics = ofType(5).map((body) => ({
    place: body.readUInt32LE(0),
    options: optionsOf(body.subarray(12)),
  }));
  const counterOf = (place: number, code: number): number | undefined => {
    const found = statistics.find((one) => one.place === place)?.options.get(code);
    return found === undefined ? undefined : Number(found.readBigUInt64LE(0));
  };
  return {
    application: String(optionsOf(section.body.subarray(16)).get(4)),
    interfaces: ofType(1).map((body, place) => {
      const options = optionsOf(body.subarray(8));
      if (options.get(9)?.[0] !== 9) throw new Error('times are not in nanoseconds');
      return {
        name: String(options.get(2)),
        linkType: body.readUInt16LE(0),
        snapLength: body.readUInt32LE(4),
        received: counterOf(place, 4),
        dropped: counterOf(place, 7),
      };
    }),
    packets: ofType(6).map((body) => {
      const length = body.readUInt32LE(12);
      const padded = 20 + Math.ceil(length / 4) * 4;
      return {
        place: body.readUInt32LE(0),
        timeNs: (BigInt(body.readUInt32LE(4)) << 32n) | BigInt(body.readUInt32LE(8)),
        original: body.readUInt32LE(16),
        direction: optionsOf(body.subarray(padded)).get(2)!.readUInt32LE(0) & 3,
        frame: body.subarray(20, 20 + length),
      };
    }),
  };
}

function blocksOf(bytes: Buffer): readonly RawBlock[] {
  const blocks: RawBlock[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4);
    if (length % 4 !== 0 || bytes.readUInt32LE(at + length - 4) !== length) {
      throw new Error(`the block at ${at} has two lengths`);
    }
    blocks.push({ type: bytes.readUInt32LE(at), body: bytes.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return blocks;
}

function optionsOf(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const code = bytes.readUInt16LE(at);
    const length = bytes.readUInt16LE(at + 2);
    if (code === 0) {
      if (at + 4 !== bytes.length) throw new Error('something follows the last option');
      return options;
    }
    options.set(code, bytes.subarray(at + 4, at + 4 + length));
    at += 4 + Math.ceil(length / 4) * 4;
  }
  throw new Error('the options have no end');
}
