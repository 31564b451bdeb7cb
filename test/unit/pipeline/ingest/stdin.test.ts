import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JSON_LINE_MAX_BYTES } from '../../../../src/codec/json/reader.ts';
import { runToEnd, sourcePipeline } from '../../../support/models/interpreter/source-pipeline.ts';

const STDIN = { type: 'stdin', stdin: {} };

/** The rows, and the metrics, after the pieces have been read. */
async function read(pieces: readonly (string | Uint8Array)[]) {
  const stdin = Readable.from(
    pieces.map((piece) => Buffer.from(piece)),
    { objectMode: true },
  );
  const bed = sourcePipeline(STDIN, { stdin });
  await runToEnd(bed);
  const rows = bed.stores.a.rows.map(({ TimeReceived: _received, ...row }) => row);
  return { ...bed, rows, text: await bed.metrics.registry.metrics() };
}

const FLOW = { SrcAddr: '10.0.0.1', Bytes: 7, app: 'wéb', tags: { a: [1, null] } };

test('a flow has its fields, keys of its own, and the time at which it was read', async () => {
  const { stores, text, clock } = await read([`${JSON.stringify(FLOW)}\n`]);
  expect(stores.a.rows).toEqual([{ ...FLOW, TimeReceived: Math.floor(clock.nowMs() / 1000) }]);
  expect(text).toContain('ingest_flows_processed{stage="in"} 1\n');
});

test('a flow that says when it was received keeps that', async () => {
  const { stores } = await read(['{"Proto":6,"TimeReceived":12}\n']);
  expect(stores.a.rows).toEqual([{ Proto: 6, TimeReceived: 12 }]);
});

test('lines may be cut anywhere, and the last one needs no line feed', async () => {
  const flows = Array.from({ length: 40 }, (_, index) => ({ ...FLOW, Bytes: index }));
  const bytes = Buffer.from(
    flows
      .map((flow) => `${JSON.stringify(flow)}\r\n\n`)
      .join('')
      .trimEnd(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 30 }), async (cuts) => {
      const places = [0, ...cuts, bytes.length].sort((a, b) => a - b);
      const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      expect((await read(pieces.filter(({ length }) => length > 0))).rows).toEqual(flows);
    }),
    { numRuns: 30 },
  );
});

test('more flows than one batch holds', async () => {
  const flows = Array.from({ length: 10_000 }, (_, Bytes) => ({ Bytes }));
  const { rows } = await read([flows.map((flow) => JSON.stringify(flow)).join('\n')]);
  expect(rows).toEqual(flows);
});

describe('what is not a flow is counted, and the others arrive', () => {
  const long = `{"a":"${'x'.repeat(JSON_LINE_MAX_BYTES)}"}`;
  test.each([
    ['no JSON', 'nonsense', 'ERR_CODEC_JSON_SYNTAX'],
    ['no object', '[1]', 'ERR_CODEC_JSON_NOT_OBJECT'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'ERR_CODEC_JSON_ENCODING'],
    ['too long', long, 'ERR_CODEC_JSON_TOO_LONG'],
    ['much too long', `${long}${long}`, 'ERR_CODEC_JSON_TOO_LONG'],
  ])('%s', async (_why, line, code) => {
    const input = Buffer.concat(['{"Bytes":1}\n', line, '\n{"Bytes":2}\n'].map(Buffer.from));
    const pieces = [];
    for (let at = 0; at < input.length; at += 65_536) pieces.push(input.subarray(at, at + 65_536));
    const { rows, text } = await read(pieces);
    expect(rows).toEqual([{ Bytes: 1 }, { Bytes: 2 }]);
    expect(text).toContain(`ingest_errors{stage="in",type="decode",code="${code}"} 1\n`);
  });

  test('a value of the wrong type', async () => {
    const { rows, text } = await read(['{"Bytes":"many","Proto":6}']);
    expect(rows).toEqual([{ Proto: 6 }]);
    expect(text).toContain('pipeline_unconverted_values_total{stage="in",field="Bytes"} 1\n');
  });
});

test('flows arrive while the input goes on, and stopping does not wait for its end', async () => {
  const stdin = new PassThrough();
  const bed = sourcePipeline(STDIN, { stdin });
  await bed.pipeline.start(new AbortController().signal);
  stdin.write('{"Bytes":1}\n{"Byt');
  await expect
    .poll(() => {
      bed.clock.jump(100);
      return bed.stores.a.rows.length;
    })
    .toBe(1);
  await bed.pipeline.stop();
  expect(stdin.destroyed).toBe(true);
});
