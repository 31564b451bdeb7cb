import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createExporter } from '../../../../src/agent/export/exporters.ts';
import { agentColumns } from '../../../../src/flow/agent-columns.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { appendRow, type Row } from '../../../../src/flow/row.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

/** Standard output whose reader takes a piece on demand. */
class Reader extends Writable {
  text = '';
  take: ((error?: Error) => void) | undefined;

  override _write(piece: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.take = (error) => {
      this.take = undefined;
      if (error === undefined) this.text += piece.toString();
      done(error ?? null);
    };
  }
}

async function setUp(stdout: Writable, env: Readonly<Record<string, string>> = {}) {
  const clock = new ManualClock();
  const metrics = createMetrics('');
  const exporter = await createExporter(agentConfig({ EXPORT: 'stdout', ...env }), {
    log: pino({ level: 'silent' }),
    metrics,
    clock,
    random: () => 0.5,
    tables: new TableSpace(),
    columns: agentColumns(),
    stdout,
  });
  await exporter.start(new AbortController().signal);
  const send = (...rows: readonly Row[]): boolean => {
    const batch = exporter.take();
    for (const row of rows) appendRow(batch, row, new Map());
    return exporter.emit(batch);
  };
  const value = async (name: string): Promise<number> => {
    const { values } = await metrics.registry.getSingleMetric(name)!.get();
    return values.reduce((sum, one) => sum + one.value, 0);
  };
  return { exporter, send, value, clock };
}

test('flows are lines of JSON with the fields’ names', async () => {
  const reader = new Reader();
  const { send, exporter, value, clock } = await setUp(reader);
  const rows = [
    { SrcAddr: '192.0.2.1', Bytes: 5, Packets: 1, Flags: 18, Interfaces: ['eth0'] },
    { SrcAddr: '::1', Bytes: 6, Packets: 2 },
  ];
  expect(send(...rows)).toBe(true);
  reader.take!();
  await clock.advance(0);
  await exporter.stop();

  expect(
    reader.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(rows);
  expect(reader.text.endsWith('\n')).toBe(true);
  expect(await value('exporter_sent_flows_total')).toBe(2);
  expect(await value('exporter_sent_bytes_total')).toBe(11);
});

test('a slow reader fills the spool, and what finds no room is refused', async () => {
  const reader = new Reader();
  const { send, exporter, clock } = await setUp(reader, { BUFFERS_LENGTH: '2' });
  expect([send({ Bytes: 1 }), send({ Bytes: 2 }), send({ Bytes: 3 })]).toEqual([true, true, false]);
  expect(exporter.backlog().flows).toBe(2);

  // No time limit: the stream cannot give back its bytes.
  await clock.advance(3_600_000);
  reader.take!();
  await clock.advance(0);
  expect(send({ Bytes: 4 })).toBe(true);
  reader.take!();
  await clock.advance(0);
  reader.take!();
  await clock.advance(0);
  expect(reader.text).toBe('{"Bytes":1}\n{"Bytes":2}\n{"Bytes":4}\n');
});

test('what a reader that is gone does not get is counted, and so is what it never takes', async () => {
  const broken = new Reader();
  broken.on('error', () => undefined);
  const gone = await setUp(broken);
  gone.send({ Bytes: 1 });
  broken.take!(new Error('EPIPE'));
  await gone.clock.advance(0);
  expect(await gone.value('exporter_lost_flows_total')).toBe(1);

  const stuck = await setUp(new Reader());
  stuck.send({ Bytes: 1 }, { Bytes: 2 });
  const stopped = stuck.exporter.stop();
  await stuck.clock.advance(10_000);
  await stopped;
  expect(await stuck.value('exporter_lost_flows_total')).toBe(2);
});

test('a batch without flows is nothing to write', async () => {
  const reader = new Reader();
  const { send, exporter } = await setUp(reader);
  expect(send()).toBe(true);
  await exporter.stop();
  expect(reader.text).toBe('');
});
