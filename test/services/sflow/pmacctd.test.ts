import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { Row } from '../../../src/flow/row.ts';
import { sourcePipeline } from '../../support/models/interpreter/source-pipeline.ts';
import { freePort, startProgram } from '../../support/processes/program.ts';
import { captureFile, SENT } from '../ipfix/captured.ts';

/** The samples that pmacctd sends of a capture file are those of the packets in it. */

/** The header of Ethernet and its check sequence, which sFlow counts. */
const FRAME_BYTES = 14 + 4;
const PACKETS = SENT.reduce((sum, { Packets }) => sum + Packets, 0);

/** Takes the samples of one packet in `rate`. */
async function take(rate: number) {
  const port = await freePort();
  const bed = sourcePipeline(
    { type: 'sflow', sflow: { hostName: '127.0.0.1', port } },
    { clock: systemClock },
  );
  await bed.pipeline.start(new AbortController().signal);
  onTestFinished(() => bed.pipeline.stop());
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-sflow-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'flows.pcap');
  writeFileSync(file, captureFile());
  const lines = [
    ...['daemonize: false', `pcap_savefile: ${file}`, 'pcap_savefile_wait: 4'],
    ...['plugins: sfprobe[a]', `sfprobe_receiver[a]: 127.0.0.1:${port}`],
    ...(rate === 1 ? [] : [`sampling_rate: ${rate}`]),
  ];
  writeFileSync(`${file}.conf`, `${lines.join('\n')}\n`);
  const exporter = startProgram(['-f', `${file}.conf`], { command: ['pmacctd'] });
  onTestFinished(async () => void (await exporter.stop('SIGKILL')));
  return bed;
}

/** Sums over the samples of each flow, by the port that tells flows apart. */
function flowsOf(rows: readonly Row[]): object[] {
  const flows = new Map<unknown, { Packets: number; Bytes: number }>();
  for (const { SrcAddr, DstAddr, SrcPort, DstPort, Proto, Packets, Bytes } of rows) {
    const flow = flows.get(SrcPort) ?? {
      ...{ SrcAddr, DstAddr, SrcPort, DstPort, Proto, Packets: 0, Bytes: 0 },
    };
    flow.Packets += Number(Packets);
    flow.Bytes += Number(Bytes) - FRAME_BYTES;
    flows.set(SrcPort, flow);
  }
  return [...flows].sort(([a], [b]) => Number(a) - Number(b)).map(([, flow]) => flow);
}

test('every packet', { timeout: 60_000 }, async () => {
  const { stores, metrics } = await take(1);
  const { rows } = stores.a;
  await expect.poll(() => rows.length, { timeout: 40_000 }).toBe(PACKETS);
  expect(flowsOf(rows)).toEqual(SENT);
  for (const row of rows) {
    expect(row).toMatchObject({
      ...{ Type: 'SFLOW_5', SamplerAddress: '127.0.0.1', Etype: 0x0800, IpTtl: 64 },
      ...{ SrcMac: '02:00:00:00:00:02', DstMac: '02:00:00:00:00:01' },
    });
    expect(Math.abs(Number(row.TimeFlowEndMs) - Date.now())).toBeLessThan(60_000);
  }
  const text = await metrics.registry.metrics();
  for (const name of ['ingest_errors{', 'ingest_exporter_missing_total{']) {
    expect(text).not.toContain(name);
  }
});

test('one packet in four', { timeout: 60_000 }, async () => {
  const { stores } = await take(4);
  const { rows } = stores.a;
  await expect.poll(() => rows.length, { timeout: 40_000 }).toBeGreaterThan(PACKETS / 8);
  const known = new Map(SENT.map((sent) => [sent.SrcPort, sent]));
  for (const { SrcPort, SrcAddr, Packets, Bytes, SamplingRate } of rows) {
    const sent = known.get(Number(SrcPort))!;
    expect({ SrcAddr, Packets, SamplingRate, Bytes }).toEqual({
      ...{ SrcAddr: sent.SrcAddr, Packets: 4, SamplingRate: 4 },
      Bytes: 4 * (sent.Bytes / sent.Packets + FRAME_BYTES),
    });
  }
  expect(rows.length).toBeLessThan(PACKETS / 2);
});
