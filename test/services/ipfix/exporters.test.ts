import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { Row } from '../../../src/flow/row.ts';
import { sourcePipeline } from '../../support/models/interpreter/source-pipeline.ts';
import { freePort, startProgram } from '../../support/processes/program.ts';
import { captureFile, SENT } from './captured.ts';

/** The flows that exporters send of a capture file are those of the packets in it. */

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
