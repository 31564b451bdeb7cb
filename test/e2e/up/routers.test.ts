/** `up --netflow`: flows of a router are in the same store as those of this host. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { octets, v4 } from '../../support/codec/netflow-bytes.ts';
import { ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { startUp } from '../../support/processes/up-host.ts';
import { requireRoot } from '../../support/require.ts';

requireRoot();

const FLOWS = 30;
const SAMPLING = 100;
const UPTIME_MS = 3_600_000;

/** A datagram of NetFlow 5 (Cisco's format) whose flows have just ended; one packet in 100. */
function datagram(nowMs: number): Buffer {
  const header = octets(
    ...([
      [2, 5],
      [2, FLOWS],
      [4, UPTIME_MS],
      [4, Math.floor(nowMs / 1000)],
    ] as const),
    ...([
      [4, 0],
      [4, 1],
      [1, 0],
      [1, 0],
      [2, (1 << 14) | SAMPLING],
    ] as const),
  );
  const records = Array.from({ length: FLOWS }, (_, index) =>
    Buffer.concat([
      ...[v4(`203.0.113.${index}`), v4('198.51.100.1'), v4('0.0.0.0')],
      octets([2, 1], [2, 2], [4, index + 1], [4, 1000 * (index + 1)]),
      octets([4, UPTIME_MS - 9000], [4, UPTIME_MS - 4000], [2, 40_000 + index], [2, 443]),
      octets([1, 0], [1, 0x12], [1, 6], [1, 0], [2, 0], [2, 0], [1, 24], [1, 24], [2, 0]),
    ]),
  );
  return Buffer.concat([header, ...records]);
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

test('flows of a router are shown, with what they were before sampling', async () => {
  const port = await freeUdpPort();
  await using host = await startUp(['--interfaces', ONLY_TESTS, '--netflow', `127.0.0.1:${port}`]);
  const socket = createSocket('udp4');
  socket.send(datagram(Date.now()), port, '127.0.0.1', () => socket.close());
  await expect.poll(async () => (await host.rows()).length, { timeout: 20_000 }).toBe(FLOWS);

  const sum = (FLOWS * (FLOWS + 1)) / 2;
  expect(await host.sums()).toEqual({ packets: sum * SAMPLING, bytes: sum * 1000 * SAMPLING });
  const [row] = await host.rows('SrcAddr="203.0.113.7"');
  expect(row).toMatchObject({
    ...{ DstAddr: '198.51.100.1', SrcPort: 40_007, DstPort: 443, Proto: 6 },
    ...{ Bytes: 800_000, Packets: 800, SamplerAddress: '127.0.0.1', DstService: 'https' },
  });
});
