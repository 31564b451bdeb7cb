/** QUIC headers on a real wire: without a QUIC program here, packets are made by hand. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { EtherType, ethernet, ipv4, Proto, udp } from '../datapath/frames.ts';

const PACKET_BYTES = 1200;
const V1 = 0x00000001;
const V2 = 0x6b3343cf;

interface Header {
  readonly first?: number;
  readonly version: number;
  readonly destination?: number;
  readonly source?: number;
  readonly bytes?: number;
}

/** A long header (RFC 8999 §5.1) with ids of these lengths; the rest is protected anyway. */
function long({ first = 0xc0, version, destination = 8, source = 0, bytes }: Header): Buffer {
  const packet = Buffer.alloc(bytes ?? PACKET_BYTES);
  packet[0] = first;
  packet.writeUInt32BE(version, 1);
  packet[5] = destination;
  if (6 + destination < packet.length) packet[6 + destination] = source;
  return packet;
}

/** A server's answer to a version that it does not support (RFC 9000 §17.2.1). */
function negotiation(version: number): Buffer {
  const packet = Buffer.alloc(7 + 8 + 2 * 4);
  packet[0] = 0x80;
  packet[5] = 8;
  packet.writeUInt32BE(version, 15);
  packet.writeUInt32BE(V2, 19);
  return packet;
}

/** Lengths of both ids in one byte, as in drafts up to 21. */
function drafted(version: number): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES);
  packet[0] = 0xc3;
  packet.writeUInt32BE(version, 1);
  packet[5] = 0x50;
  return packet;
}

const short = (bytes = 60): Buffer => Buffer.alloc(bytes, 0x41);

/** RFC 9287: the fixed bit is not fixed. */
const GREASED = [long({ version: V1 }), Buffer.alloc(60, 0x01)];
const MISSES = Array.from({ length: 8 }, () => Buffer.alloc(60, 0x21));

/** Protocols whose first bytes look like a long header, on their ports. */
const OTHERS: readonly (readonly [name: string, port: number, hex: string])[] = [
  ['DNS', 53, `c123010000010000000000000377777707${'6578616d706c6503636f6d'}0000010001`],
  ['LLMNR', 5355, 'c4410000000100000000000004686f73740000010001'],
  ['NetBIOS', 137, `c515011000010000000000002046${'48'.repeat(31)}0000200001`],
  ['ONC RPC', 2049, `c06032990000000000000002000186a30000000200000004${'00'.repeat(40)}`],
  ['DNSCrypt', 443, `c2a1b2c3d400d5e6${'00'.repeat(248)}`],
];

function frame(payload: Buffer, port: number): Buffer {
  const datagram = udp(payload.length, 40_000, port);
  payload.copy(datagram, 8);
  const addresses = { source: [10, 9, 0, 1], target: [10, 9, 0, 2] };
  return ethernet(EtherType.ipv4, ipv4(Proto.udp, datagram, addresses));
}

describe.skipIf(requireRoot())('QUIC', () => {
  let lab: Lab;
  let host: AgentHost;
  let client: string;
  let near: string;
  let far: string;

  beforeEach(() => {
    lab = new Lab();
    client = lab.namespace('client');
    [near, far] = lab.pair(
      { namespace: client, addresses: ['10.9.0.1/24'] },
      { namespace: lab.namespace('server'), addresses: ['10.9.0.2/24'] },
    );
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  async function send(mode: string, port: number, packets: readonly Buffer[]): Promise<FlowView> {
    host = await startAgent({
      INTERFACES: `${near},${far}`,
      QUIC_TRACKING_MODE: mode,
      CACHE_ACTIVE_TIMEOUT: '1h',
    });
    const frames = packets.map((packet) => frame(packet, port));
    await lab.frames(client, near, frames);
    await host.agent.drainNow();
    expect(host.agent.status().features).toEqual([{ name: 'quic', state: 'on' }]);
    const found = host.flows.filter((flow) => flow.DstPort === port);
    expect(found).toHaveLength(1);
    return found[0]!;
  }

  const none = { QuicVersion: '', QuicSeenLongHdr: undefined, QuicSeenShortHdr: undefined };
  const seen = (version: string, longs: number, shorts: number) => ({
    QuicVersion: version,
    QuicSeenLongHdr: longs,
    QuicSeenShortHdr: shorts,
  });

  test.each([
    ['version 1', '1', 443, [long({ version: V1 })], seen('QUIC v1', 1, 0)],
    ['version 2', '1', 443, [long({ version: V2 })], seen('QUIC v2', 1, 0)],
    ['another version', '1', 443, [long({ version: 0xff00001d })], seen('0xff00001d', 1, 0)],
    ['negotiation of it', '1', 443, [negotiation(V1)], seen('', 1, 0)],
    ['negotiation of nothing', '1', 443, [negotiation(0x12345678)], none],
    ['data of nobody knows what', '1', 443, [short()], none],
    [
      'a version of a draft with ids of old',
      '2',
      8443,
      [drafted(0xff000011)],
      seen('0xff000011', 1, 0),
    ],
    ['a version of Google', '2', 8443, [drafted(0x51303436)], seen('0x51303436', 1, 0)],
    ['a version that is reserved', '2', 8443, [long({ version: 0x1a2a3a4a })], seen('', 1, 0)],
    ['the same in a short datagram', '2', 8443, [long({ version: 0x1a2a3a4a, bytes: 300 })], none],
    ['a version that nobody has', '2', 8443, [long({ version: 0x23010000 })], none],
    ['any first bits in a known connection', '1', 443, GREASED, seen('QUIC v1', 1, 1)],
    ['what comes after many misses', '2', 8443, [...MISSES, long({ version: V1 })], none],
    ['a handshake and data', '1', 443, [long({ version: V1 }), short()], seen('QUIC v1', 1, 1)],
    [
      'the longest ids',
      '1',
      443,
      [long({ version: V1, destination: 20, source: 20 })],
      seen('QUIC v1', 1, 0),
    ],
    ['no fixed bit', '1', 443, [long({ first: 0x80, version: V1 })], none],
    ['an id that is too long', '1', 443, [long({ version: V1, destination: 21 })], none],
    ['a second id that is too long', '1', 443, [long({ version: V1, source: 21 })], none],
    ['an id beyond the end', '1', 443, [long({ version: V1, source: 20, bytes: 30 })], none],
    ['too short', '1', 443, [short(20)], none],
    ['another port, port 443 wanted', '1', 8443, [long({ version: V1 })], none],
    [
      'another port, any wanted',
      '2',
      8443,
      [long({ version: V1 }), short()],
      seen('QUIC v1', 1, 1),
    ],
    ['data alone, which could be anything', '2', 8443, [short()], none],
  ])('%s', async (_why, mode, port, packets, wanted) => {
    expect(await send(mode, port, packets)).toMatchObject(wanted);
  });

  test.each(OTHERS)('%s is something else', async (_name, port, hex) => {
    expect(await send('2', port, [Buffer.from(hex, 'hex')])).toMatchObject(none);
  });

  test('a connection is known after its flows were drained, and from its other side', async () => {
    const first = await send('2', 8443, [long({ version: V1 })]);
    expect(first).toMatchObject(seen('QUIC v1', 1, 0));
    host.flows.length = 0;
    const back = udp(60, 8443, 40_000);
    short().copy(back, 8);
    const reply = ipv4(Proto.udp, back, { source: [10, 9, 0, 2], target: [10, 9, 0, 1] });
    const frames = [frame(short(), 8443), ethernet(EtherType.ipv4, reply)];
    await lab.frames(client, near, frames);
    await host.agent.drainNow();
    expect(host.flows).toHaveLength(2);
    for (const flow of host.flows) expect(flow).toMatchObject(seen('', 0, 1));
  });
});
