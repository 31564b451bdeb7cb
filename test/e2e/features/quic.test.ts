/** QUIC headers on a real wire: there is no QUIC here to talk, so packets are made by hand. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AgentHost, type FlowView, startAgent } from '../../support/agent-host.ts';
import { Lab } from '../../support/netns.ts';
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

/** A long header (RFC 8999 §5.1) with ids of so many bytes; what follows is protected anyway. */
function long({ first = 0xc0, version, destination = 8, source = 0, bytes }: Header): Buffer {
  const packet = Buffer.alloc(bytes ?? PACKET_BYTES);
  packet[0] = first;
  packet.writeUInt32BE(version, 1);
  packet[5] = destination;
  if (6 + destination < packet.length) packet[6 + destination] = source;
  return packet;
}

const short = (bytes = 60): Buffer => Buffer.alloc(bytes, 0x41);

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
    ['negotiation of it', '1', 443, [long({ first: 0x80, version: 0 })], seen('', 1, 0)],
    ['data', '1', 443, [short()], seen('', 0, 1)],
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
});
