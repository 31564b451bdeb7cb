import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { Row } from '../../../src/flow/row.ts';
import { octets, v4 } from '../../support/codec/netflow-bytes.ts';
import { sourcePipeline } from '../../support/models/interpreter/source-pipeline.ts';
import { freePort, startProgram } from '../../support/processes/program.ts';

/** The flows that exporters send of a capture file are those of the packets in it. */

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

/** A flow, and for every fourth one an answer. Each differs from the others in every field. */
const SENT: readonly Sent[] = Array.from({ length: FLOWS }, (_, index) => {
  const asked = { SrcAddr: `10.0.0.${index + 1}`, DstAddr: `10.1.0.${FLOWS - index}` };
  const ports = { SrcPort: 10_000 + index, DstPort: 30_000 - index, Proto: UDP };
  const packets = (index % 3) + 1;
  const flow = { ...asked, ...ports, Packets: packets, Bytes: packets * (28 + index) };
  if (index % 4 !== 0) return [flow];
  const answered = { SrcAddr: asked.DstAddr, DstAddr: asked.SrcAddr, Proto: UDP };
  const back = { SrcPort: ports.DstPort, DstPort: ports.SrcPort };
  return [flow, { ...answered, ...back, Packets: 2, Bytes: 2 * (300 + index) }];
})
  .flat()
  .sort((a, b) => a.SrcPort - b.SrcPort);

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

/** Takes the flows of an exporter that `start` starts, and compares them. */
async function check(
  type: string,
  start: (file: string, port: number) => readonly [command: string, ...args: string[]],
): Promise<void> {
  const port = await freePort();
  const bed = sourcePipeline(
    { type: 'ipfix', ipfix: { hostName: '127.0.0.1', port } },
    { clock: systemClock },
  );
  await bed.pipeline.start(new AbortController().signal);
  onTestFinished(() => bed.pipeline.stop());
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-exporter-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'flows.pcap');
  writeFileSync(file, captureFile());
  const [command, ...args] = start(file, port);
  const exporter = startProgram(args, { command: [command] });
  onTestFinished(async () => void (await exporter.stop('SIGKILL')));
  const { rows } = bed.stores.a;
  await expect.poll(() => rows.length, { timeout: 40_000 }).toBe(SENT.length);
  const key = ({ SrcPort }: Row): number => Number(SrcPort);
  expect([...rows].sort((a, b) => key(a) - key(b)).map(sentOf)).toEqual(SENT);
  expect(new Set(rows.map(({ Type }) => Type))).toEqual(new Set([type]));
  for (const { TimeFlowStartMs, TimeFlowEndMs } of rows) {
    expect(Math.abs(Number(TimeFlowStartMs) - Date.now())).toBeLessThan(60_000);
    expect(Number(TimeFlowEndMs)).toBeGreaterThanOrEqual(Number(TimeFlowStartMs));
  }
  expect(await bed.metrics.registry.metrics()).not.toContain('ingest_errors{');
}

test.each([
  [5, 'NETFLOW_V5'],
  [9, 'NETFLOW_V9'],
  [10, 'IPFIX'],
])('pmacctd, version %i', { timeout: 60_000 }, async (version, type) => {
  await check(type, (file, port) => {
    const lines = [
      ...['daemonize: false', `pcap_savefile: ${file}`, 'pcap_savefile_wait: 4'],
      ...['plugins: nfprobe[a]', `nfprobe_version[a]: ${version}`],
      'aggregate[a]: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags',
      `nfprobe_receiver[a]: 127.0.0.1:${port}`,
      'nfprobe_timeouts[a]: udp=1:maxlife=2:expint=1',
    ];
    writeFileSync(`${file}.conf`, `${lines.join('\n')}\n`);
    return ['pmacctd', '-f', `${file}.conf`];
  });
});

test.each([
  ['5', [], 'NETFLOW_V5'],
  ['9', [], 'NETFLOW_V9'],
  // Times since the start of the exporter, which options announce.
  ['10', [], 'IPFIX'],
  ['10', ['-A', 'sec'], 'IPFIX'],
  ['10', ['-A', 'milli'], 'IPFIX'],
  ['10', ['-A', 'micro'], 'IPFIX'],
  ['10', ['-A', 'nano'], 'IPFIX'],
  // Biflows.
  ['10', ['-b', '-A', 'milli'], 'IPFIX'],
])('softflowd, version %s %j', { timeout: 60_000 }, async (version, more, type) => {
  await check(type, (file, port) => {
    const own = ['-d', '-p', `${file}.pid`, '-c', 'none'];
    const target = ['-v', version, '-n', `127.0.0.1:${port}`];
    return ['softflowd', '-r', file, '-a', ...target, ...more, ...own];
  });
});
