/** `up --netflow --sflow`: flows of routers are in the same store as those of this host. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { FrontendConfig } from '../../../src/console/api.ts';
import { octets, v4 } from '../../support/codec/netflow-bytes.ts';
import { flowSample, rawHeader, sflow } from '../../support/codec/sflow-bytes.ts';
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
    Flags: 0x12,
  });
});

/** A datagram of sFlow 5 with samples of UDP packets; each stands for so many. */
function samples(): Buffer {
  const one = (port: number): Buffer => {
    const packet = Buffer.concat([
      octets([6, 0x0200_0000_0001], [6, 0x0200_0000_0002], [2, 0x0800]),
      octets([1, 0x45], [1, 0], [2, 72], [4, 0], [1, 64], [1, 17], [2, 0]),
      ...[v4('203.0.113.1'), v4('198.51.100.9')],
      octets([2, port], [2, 53], [2, 52], [2, 0]),
    ]);
    const ends = { input: [0, 3], output: [0, 7] } as const;
    return flowSample({ rate: SAMPLING, ...ends }, rawHeader(packet, 90));
  };
  return sflow({ agent: '192.0.2.99' }, ...Array.from({ length: 5 }, (_, i) => one(50_000 + i)));
}

test('samples of a switch are shown, with what they stand for and where they came in', async () => {
  const port = await freeUdpPort();
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-exporters-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const exporters = join(folder, 'exporters.yaml');
  writeFileSync(exporters, '192.0.2.99: {name: tor-3, interfaces: {3: {name: swp3}}}');
  const inlets = ['--sflow', `127.0.0.1:${port}`, '--exporters', exporters];
  await using host = await startUp(['--interfaces', ONLY_TESTS, ...inlets]);
  const socket = createSocket('udp4');
  socket.send(samples(), port, '127.0.0.1', () => socket.close());
  await expect.poll(async () => (await host.rows()).length, { timeout: 20_000 }).toBe(5);

  expect(await host.sums()).toEqual({ packets: 5 * SAMPLING, bytes: 5 * 90 * SAMPLING });
  const [row] = await host.rows('SrcPort=50003');
  expect(row).toMatchObject({
    ...{ SrcAddr: '203.0.113.1', DstAddr: '198.51.100.9', DstPort: 53, Proto: 17 },
    ...{ SamplerAddress: '192.0.2.99', InIf: 3, OutIf: 7, SamplingRate: SAMPLING },
    ...{ SamplerName: 'tor-3', InIfName: 'swp3' },
    ...{ Bytes: 9000, Packets: SAMPLING, DstService: 'domain' },
  });
  const config = await fetch(`${host.url}/api/frontend-config`);
  const { features, columns } = (await config.json()) as FrontendConfig;
  expect(features).toEqual(expect.arrayContaining(['netflow', 'tunnels']));
  const shown = columns.filter(({ default: isShown }) => isShown).map(({ id }) => id);
  expect(shown).toEqual(expect.arrayContaining(['Exporter', 'InOutInterfaces']));
  expect(await host.rows('SamplerName="tor-3"')).toHaveLength(5);
  expect(await host.rows('InIfName="swp4"')).toHaveLength(0);
});
