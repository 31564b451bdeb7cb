/** Packets of several segments, as guests send them, against the interface's counters. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClientServer } from '../../support/lab/client-server.ts';
import { type AgentHost, startAgent } from '../../support/processes/agent-host.ts';
import { requireProgram, requireRoot } from '../../support/require.ts';
import { EtherType, extension, ipv4, ipv6, Proto, udp } from './frames.ts';
import { frameOf, type Layer, tag } from './link-frames.ts';

const PYTHON = '/usr/bin/python3';
const PORT = 5001;
const PAYLOAD = 5000;
const SIZE = 1000;
const UDP_HEADER_BYTES = 8;

/** With the header that virtio puts before a packet: datagrams that IP must fragment. */
const SEND = `
import socket, struct, sys
frame = bytes.fromhex(sys.argv[2])
start = len(frame) - ${PAYLOAD + UDP_HEADER_BYTES}
guest = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
guest.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
guest.bind((sys.argv[1], 0))
header = struct.pack('=BBHHHH', 1, 3, start + 8, ${SIZE}, start, 6)  # VIRTIO_NET_HDR_GSO_UDP
guest.send(header + frame)
`;

describe.skipIf(requireRoot() || requireProgram(PYTHON))('datagrams cut into fragments', () => {
  let bed: ClientServer;
  let host: AgentHost | undefined;

  beforeEach(() => {
    bed = new ClientServer();
    bed.disableV6();
  });
  afterEach(async () => {
    await host?.[Symbol.asyncDispose]();
    await bed[Symbol.asyncDispose]();
  });

  const datagram = udp(PAYLOAD, 40_000, PORT);
  const on4: Layer = { type: EtherType.ipv4, payload: ipv4(Proto.udp, datagram) };
  const on6: Layer = { type: EtherType.ipv6, payload: ipv6(Proto.udp, datagram) };
  const behindOptions = ipv6(Proto.hopByHop, extension(Proto.udp, datagram));

  const layers: readonly (readonly [string, Layer])[] = [
    ['IPv4', on4],
    ['IPv4 behind two tags', tag(5)(tag(6)(on4))],
    ['IPv6', on6],
    ['IPv6 behind a tag', tag(5)(on6)],
    ['IPv6 behind options', { type: EtherType.ipv6, payload: behindOptions }],
  ];
  const places = ['near', 'far', 'both'] as const;
  const cases = layers.flatMap((layer) => places.map((place) => [...layer, place] as const));

  test.each(cases)('%s %#: as the wire has them', async (_why, layer, place) => {
    const { lab, client, server, near, far } = bed;
    const watched = { near, far, both: `${near},${far}` }[place];
    host = await startAgent({ INTERFACES: watched });
    const before = lab.counters(server, far);
    lab.inside(client, PYTHON, '-c', SEND, near, frameOf(layer).toString('hex'));
    const after = lab.counters(server, far);

    const seen = await host.seen();
    const packets = after.rxPackets - before.rxPackets;
    expect(packets).toBe(Math.ceil((PAYLOAD + UDP_HEADER_BYTES) / SIZE));
    expect(seen).toEqual({ packets, bytes: after.rxBytes - before.rxBytes });
    expect(host.flows).toMatchObject([{ DstPort: PORT, Packets: packets }]);
  });
});
