import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { distinctRows, droppedBy, sendBy } from '../../support/models/interpreter/load.ts';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { S3Server, type StoredObject } from './server.ts';

/** `encode: s3` with a real server: what is in the objects is what the pipeline was given. */

const SOON = { timeout: 30_000, interval: 1 } as const;
const FLOWS = 20_000;
const rows = distinctRows(FLOWS);

interface Document {
  readonly number_of_flow_logs: number;
  readonly flow_logs: readonly Row[];
}

const READERS = {
  json({ bytes }: StoredObject): readonly Row[] {
    const { number_of_flow_logs: count, flow_logs: flows } = JSON.parse(`${bytes}`) as Document;
    expect(flows).toHaveLength(count);
    return flows;
  },
  'ndjson.gz'({ bytes }: StoredObject): readonly Row[] {
    const lines = gunzipSync(bytes).toString().trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as Row);
  },
} as const;
type Format = keyof typeof READERS;
const FORMATS = Object.keys(READERS) as Format[];

function rowsAt(server: S3Server, format: Format): readonly Row[] {
  return server
    .objects()
    .flatMap(READERS[format])
    .toSorted((a, b) => Number(a.Bytes) - Number(b.Bytes));
}

describe.each(FORMATS)('%s', (format) => {
  test('each flow is in one object, with all fields', async () => {
    await using server = await S3Server.start();
    const options = { ...server.options, format, batchSize: 3000 };
    const branch = await sendBy('s3', options, rows);
    expect(branch).toMatchObject({ in: FLOWS, written: FLOWS, dropped: {} });
    expect(server.objects()).toHaveLength(Math.ceil(FLOWS / 3000));
    expect(rowsAt(server, format)).toEqual(rows);
  });

  test('killed under load and started again: nothing is lost, and nothing twice', async () => {
    await using server = await S3Server.start();
    const branch = await sendBy('s3', { ...server.options, format, batchSize: 300 }, rows, {
      async 10() {
        await expect.poll(() => server.objects().length, SOON).toBeGreaterThan(0);
        await server.kill();
      },
      25: () => server.restart(),
    });
    expect(branch).toMatchObject({ in: FLOWS, written: FLOWS, dropped: {} });
    expect(rowsAt(server, format)).toEqual(rows);
  });

  test('hung under load: what it has no time for is counted', async () => {
    await using server = await S3Server.start();
    const branch = await sendBy('s3', { ...server.options, format, batchSize: 20 }, rows, {
      4: () => server.pause(),
      38: () => server.resume(),
    });
    // More objects than may wait.
    expect(droppedBy(branch)).toBeGreaterThan(0);
    expect(branch.written + droppedBy(branch)).toBe(FLOWS);
    const stored = rowsAt(server, format).map(({ Bytes }) => Number(Bytes));
    expect(stored).toHaveLength(branch.written);
    expect(new Set(stored).size).toBe(stored.length);
  });
});

test('a wrong secret: nothing is stored, and all is counted', async () => {
  await using server = await S3Server.start();
  const options = { ...server.options, secretAccessKey: 'wrong', batchSize: 500 };
  const branch = await sendBy('s3', options, rows.slice(0, 2000));
  expect(branch).toMatchObject({ in: 2000, written: 0, dropped: { refused: 2000 } });
  expect(server.objects()).toEqual([]);
});
