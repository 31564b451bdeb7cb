import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { Row } from '../../../src/flow/row.ts';
import { octets, v4 } from '../../support/codec/netflow-bytes.ts';
import { sourcePipeline } from '../../support/models/interpreter/source-pipeline.ts';
import { freePort, startProgram } from '../../support/processes/program.ts';

/** The flows that pmacctd sends of a capture file are those of the packets in it. */

const FLOWS = 200;
const UDP = 17;

interface Sent {
  readonly SrcAddr: string;
  readonly DstAddr: string;
  readonly SrcPort: number;
  readonly DstPort: number;
  readonly Proto: number;
  readonly Packets: number;
  readonly Bytes: number;
}

/** Each flow differs from the others in every field. */
const SENT: readonly Sent[] = Array.from({ length: FLOWS }, (_, index) => ({
  ...{ SrcAddr: `10.0.0.${index + 1}`, DstAddr: `10.1.0.${FLOWS - index}` },
  ...{ SrcPort: 10_000 + index, DstPort: 20_000 - index, Proto: UDP },
  ...{ Packets: (index % 3) + 1, Bytes: ((index % 3) + 1) * (28 + index) },
}));

/** A packet of a flow with its headers: Ethernet, IPv4, UDP. */
function packet({ SrcAddr, DstAddr, SrcPort, DstPort, Bytes, Packets }: Sent): Buffer {
  const length = Bytes / Packets;
  return Buffer.concat([
    octets([6, 0x0200_0000_0001], [6, 0x0200_0000_0002], [2, 0x0800]),
    octets([1, 0x45], [1, 0], [2, length], [2, 0], [2, 0], [1, 64], [1, UDP], [2, 0]),
    ...[v4(SrcAddr), v4(DstAddr)],
    octets([2, SrcPort], [2, DstPort], [2, length - 20], [2, 0]),
    Buffer.alloc(length - 28),
  ]);
}

function captureFile(): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  const seconds = Math.floor(Date.now() / 1000) - 5;
  const records = SENT.flatMap((flow) =>
    Array.from({ length: flow.Packets }, () => {
      const frame = packet(flow);
      const head = Buffer.alloc(16);
      head.writeUInt32LE(seconds, 0);
      head.writeUInt32LE(frame.length, 8);
      head.writeUInt32LE(frame.length, 12);
      return Buffer.concat([head, frame]);
    }),
  );
  return Buffer.concat([header, ...records]);
}

const NAMES = ['SrcAddr', 'DstAddr', 'SrcPort', 'DstPort', 'Proto', 'Packets', 'Bytes'];

function sentOf(row: Row): object {
  return Object.fromEntries(NAMES.map((name) => [name, row[name]]));
}

test.each([
  [5, 'NETFLOW_V5'],
  [9, 'NETFLOW_V9'],
  [10, 'IPFIX'],
])('pmacctd, version %i', { timeout: 60_000 }, async (version, type) => {
  const port = await freePort();
  const bed = sourcePipeline(
    { type: 'ipfix', ipfix: { hostName: '127.0.0.1', port } },
    { clock: systemClock },
  );
  await bed.pipeline.start(new AbortController().signal);
  onTestFinished(() => bed.pipeline.stop());
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-pmacctd-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'flows.pcap'), captureFile());
  const lines = [
    ...['daemonize: false', `pcap_savefile: ${folder}/flows.pcap`, 'pcap_savefile_wait: 4'],
    ...['plugins: nfprobe[a]', `nfprobe_version[a]: ${version}`],
    'aggregate[a]: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags',
    `nfprobe_receiver[a]: 127.0.0.1:${port}`,
    'nfprobe_timeouts[a]: udp=1:maxlife=2:expint=1',
  ];
  writeFileSync(join(folder, 'pmacctd.conf'), `${lines.join('\n')}\n`);
  const exporter = startProgram(['-f', join(folder, 'pmacctd.conf')], { command: ['pmacctd'] });
  onTestFinished(async () => void (await exporter.stop('SIGKILL')));
  const { rows } = bed.stores.a;
  await expect.poll(() => rows.length, { timeout: 40_000 }).toBe(FLOWS);
  const key = ({ SrcPort }: Row): number => Number(SrcPort);
  expect([...rows].sort((a, b) => key(a) - key(b)).map(sentOf)).toEqual(SENT);
  expect(new Set(rows.map(({ Type }) => Type))).toEqual(new Set([type]));
  for (const { TimeFlowStartMs, TimeFlowEndMs } of rows) {
    expect(Math.abs(Number(TimeFlowStartMs) - Date.now())).toBeLessThan(60_000);
    expect(Number(TimeFlowEndMs)).toBeGreaterThanOrEqual(Number(TimeFlowStartMs));
  }
  const text = await bed.metrics.registry.metrics();
  expect(text).not.toContain('ingest_errors{');
});
