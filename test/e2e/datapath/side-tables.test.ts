/** A sender that fills the tables beside the flows does not displace entries of others. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  config as configLayout,
  dnsMetrics,
  flowKey,
  message as messageLayout,
  quicMetrics,
} from '../../../src/agent/drain/layout.gen.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { type SideTable, sideMapSizes } from '../../../src/agent/loader/side-tables.ts';
import { message, name, onStream, Type } from '../../support/codec/dns-message.ts';
import { Lab } from '../../support/lab/netns.ts';
import { requireRoot } from '../../support/require.ts';
import { type Container, makeContainer } from './containers.ts';
import { type DatapathOptions, loadDatapath, native, readStats, takeFlows } from './datapath.ts';
import { datagram, EtherType, ethernet, Flag, ipv4, Proto, tcp, udp } from './frames.ts';

type Address = readonly number[];

/** The quiet container, its peer, and the flooding one. */
const QUIET = [198, 51, 100, 1];
const PEER = [198, 51, 100, 77];
const FLOODER = [203, 0, 113, 1];
const COUNT = 1000;
const FLOOD = 100_000;
const FLOW_ENTRIES = 1 << 17;
/** Port of a sweep; here it is also the DNS port. */
const SWEEP_PORT = 9;

const QUERY = 0x0100;
const RESPONSE = 0x8180;
const QUESTION = [{ name: name('www.example'), type: Type.A }];
/** The ends of pieces are multiples of eight bytes. */
const CUT = 64;

const range = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at));

const packet = (protocol: number, payload: Buffer, source: Address, target: Address): Buffer =>
  ethernet(EtherType.ipv4, ipv4(protocol, payload, { source, target }));

/** A piece of a datagram from port `port`. */
function piece(isFirst: boolean, source: Address, id: number, port = 5000): Buffer {
  const whole = udp(200, port, 6000);
  const options = { source, target: PEER, id };
  const part = isFirst
    ? ipv4(Proto.udp, whole.subarray(0, CUT), { ...options, moreFragments: true })
    : ipv4(Proto.udp, whole.subarray(CUT), { ...options, fragmentOffset: CUT / 8 });
  return ethernet(EtherType.ipv4, part);
}

/** A segment to port 53, with a payload from `sequence` on. */
function segment(source: Address, port: number, sequence: number, payload?: Buffer): Buffer {
  const head = tcp(payload === undefined ? Flag.syn : Flag.ack);
  head.writeUInt16BE(port, 0);
  head.writeUInt16BE(53, 2);
  head.writeUInt32BE(sequence, 4);
  return packet(Proto.tcp, Buffer.concat([head, payload ?? Buffer.alloc(0)]), source, PEER);
}

/** Ports from 1024 on, of one address after the other. */
const floodSource = (at: number): Address => [...FLOODER.slice(0, 3), at >> 15];
const floodPort = (at: number): number => 1024 + (at & 0x7fff);

function quicLong(): Buffer {
  const bytes = Buffer.alloc(60);
  bytes.set([0xc0, 0, 0, 0, 1, 8]);
  return bytes;
}

describe.skipIf(requireRoot())('tables beside flows', () => {
  let lab: Lab;
  let object: BpfObject | undefined;
  let host: string;
  let quiet: Container;
  let bad: Container;

  beforeEach(() => {
    lab = new Lab();
  });
  afterEach(async () => {
    if (object !== undefined) native.close(object);
    object = undefined;
    await lab[Symbol.asyncDispose]();
  });

  async function begin(
    tables: readonly SideTable[],
    options: DatapathOptions = {},
  ): Promise<BpfObject> {
    const loaded = loadDatapath({
      ...options,
      entries: FLOW_ENTRIES,
      maxEntries: { ...options.maxEntries, ...sideMapSizes(tables, native.possibleCpus()) },
    });
    object = loaded;
    host = lab.namespace('host');
    quiet = await makeContainer(lab, loaded, 'quiet', host);
    bad = await makeContainer(lab, loaded, 'bad', host);
    return loaded;
  }

  const beginDns = (ringBytes = 1 << 22): Promise<BpfObject> =>
    begin(['fragments', 'dns_queries', 'dns_streams'], {
      extensions: [{ at: 'dnsAt', sizeBytes: dnsMetrics.sizeBytes }],
      configure: (view) => view.setUint16(configLayout.dnsPort, SWEEP_PORT, true),
      maxEntries: { messages: ringBytes },
    });

  const send = (from: Container, frames: readonly Buffer[]): Promise<number> =>
    lab.frames(from.namespace, from.inner, frames);
  /** To the quiet container, from outside. */
  const answer = (frames: readonly Buffer[]): Promise<number> =>
    lab.frames(host, quiet.outer, frames);

  async function packetsByKey(from: BpfObject, end: Address): Promise<Record<string, number>> {
    const text = Buffer.from(end).toString('hex');
    const flows = (await takeFlows(from)).filter(({ key }) => key.slice(24, 32) === text);
    return Object.fromEntries(flows.map(({ key, packets }) => [portsOf(key), packets]));
  }

  const portsOf = (key: string): string => key.split(',').slice(2, 4).join();

  test('queries keep their latency while a container floods with queries', async () => {
    const loaded = await beginDns();
    const ask = (id: number): Buffer => {
      const payload = datagram(53, message(id, QUERY, QUESTION), 40_000);
      return packet(Proto.udp, payload, QUIET, PEER);
    };
    const reply = (id: number): Buffer => {
      const payload = datagram(40_000, message(id, RESPONSE, QUESTION), 53);
      return packet(Proto.udp, payload, PEER, QUIET);
    };
    await send(quiet, range(COUNT, ask));
    await lab.sweep(bad.namespace, bad.inner, { flows: FLOOD, perSecond: 200_000 });
    await send(
      quiet,
      range(COUNT, (at) => ask(COUNT + at)),
    );
    await answer(range(2 * COUNT, reply));

    const { dnsUnasked, sideBusy } = readStats(loaded);
    expect(dnsUnasked.packets).toBe(0);
    expect(sideBusy.packets).toBeGreaterThan(FLOOD / 2);
    const answered = (await takeFlows(loaded)).filter(
      ({ extensions }) => extensions.readBigUInt64LE(dnsMetrics.latencyNs) > 0n,
    );
    expect(answered.map(({ packets }) => packets)).toEqual([2 * COUNT]);
  });

  test('who floods has more than a share for himself while nobody else asks', async () => {
    const loaded = await beginDns();
    await lab.sweep(bad.namespace, bad.inner, { flows: 16_000, perSecond: 200_000 });
    const zeros = Buffer.alloc(18);
    zeros.writeUInt16BE(RESPONSE, 2);
    const replies = range(8000, (at) => {
      const payload = datagram(floodPort(8000 + at), zeros, SWEEP_PORT);
      return packet(Proto.udp, payload, [203, 0, 113, 1], [10, 0, 0, 0]);
    });
    await lab.frames(host, bad.outer, replies);
    expect(readStats(loaded).dnsUnasked.packets).toBe(0);
  });

  test('streams of DNS are followed while a container floods with connections', async () => {
    const loaded = await beginDns();
    const asked = onStream(message(7, QUERY, QUESTION));
    const cut = 5;
    const each = (make: (port: number) => Buffer): Buffer[] =>
      range(COUNT, (at) => make(40_000 + at));
    await send(
      quiet,
      each((port) => segment(QUIET, port, 100)),
    );
    await send(
      quiet,
      each((port) => segment(QUIET, port, 101, asked.subarray(0, cut))),
    );
    await send(
      bad,
      range(FLOOD, (at) => segment(floodSource(at), floodPort(at), 1)),
    );
    await send(
      quiet,
      each((port) => segment(QUIET, port, 101 + cut, asked.subarray(cut))),
    );

    expect(readStats(loaded).dnsUnfollowed.packets).toBe(0);
    const queries = (await takeFlows(loaded)).map(({ extensions }) =>
      extensions.readUInt32LE(dnsMetrics.queries),
    );
    expect(queries.reduce((sum, count) => sum + count, 0)).toBe(COUNT);
  });

  test('messages find room in the ring while a container floods with answers', async () => {
    const loaded = await beginDns(1 << 18);
    const say = (source: Address, id: number): Buffer => {
      const payload = datagram(40_000, message(id, RESPONSE, QUESTION), 53);
      return packet(Proto.udp, payload, source, PEER);
    };
    const flood = 10_000;
    await send(
      bad,
      range(flood, (id) => say(FLOODER, id)),
    );
    const few = 20;
    await send(
      quiet,
      range(few, (id) => say(QUIET, id)),
    );

    const buffer = Buffer.alloc(1 << 19);
    const used = native.readRing(loaded, 'messages', buffer, 4096);
    let [of, all] = [0, 0];
    for (let at = 0; at < used; all++) {
      const address = at + 8 + messageLayout.key + flowKey.srcIp + 12;
      if (buffer.subarray(address, address + 4).equals(Buffer.from(QUIET))) of++;
      at += 8 + ((buffer.readUInt32LE(at) + 7) & ~7);
    }
    expect(of).toBe(few);
    expect(readStats(loaded).messagesLost.packets).toBe(flood + few - all);
  });

  test('pieces find their first one while a container floods with first ones', async () => {
    const loaded = await begin(['fragments']);
    const pieces = (isFirst: boolean): Buffer[] => range(COUNT, (id) => piece(isFirst, QUIET, id));
    await send(quiet, pieces(true));
    await send(
      bad,
      range(FLOOD, (at) => piece(true, floodSource(at), at & 0x7fff)),
    );
    await send(quiet, pieces(false));
    expect(await packetsByKey(loaded, QUIET)).toEqual({ '5000,6000': 2 * COUNT });
  });

  test('connections stay QUIC while a container floods with first packets', async () => {
    const loaded = await begin(['fragments', 'quic_flows'], {
      extensions: [{ at: 'quicAt', sizeBytes: quicMetrics.sizeBytes }],
      configure: (view) => view.setUint8(configLayout.quicMode, 2),
    });
    const from = (source: Address, port: number, payload: Buffer): Buffer =>
      packet(Proto.udp, datagram(443, payload, port), source, PEER);
    const back = (port: number): Buffer =>
      packet(Proto.udp, datagram(port, Buffer.alloc(60, 0x41), 443), PEER, QUIET);
    const ports = range(COUNT, (at) => 40_000 + at);
    await send(
      quiet,
      ports.map((port) => from(QUIET, port, quicLong())),
    );
    await send(
      bad,
      range(FLOOD, (at) => from(floodSource(at), floodPort(at), quicLong())),
    );
    await takeFlows(loaded);
    await send(
      quiet,
      ports.map((port) => from(QUIET, port, Buffer.alloc(60, 0x41))),
    );
    await answer(ports.map(back));
    const seen = (await takeFlows(loaded)).map(
      ({ extensions }) => extensions[quicMetrics.seenShortHeader],
    );
    expect(seen).toEqual(Array(2 * COUNT).fill(1));
  });

  test('pieces in namespaces with the same addresses lend nothing to each other', async () => {
    const loaded = await begin(['fragments']);
    await send(quiet, [piece(true, QUIET, 9)]);
    await send(bad, [piece(false, QUIET, 9)]);
    expect(await packetsByKey(loaded, QUIET)).toEqual({ '5000,6000': 1, '0,0': 1 });

    await send(quiet, [piece(true, QUIET, 10)]);
    await send(bad, [piece(true, QUIET, 10, 5001)]);
    await send(quiet, [piece(false, QUIET, 10), piece(false, QUIET, 10)]);
    await send(bad, [piece(false, QUIET, 10)]);
    expect(await packetsByKey(loaded, QUIET)).toEqual({ '5000,6000': 3, '5001,6000': 2 });
  });
});
