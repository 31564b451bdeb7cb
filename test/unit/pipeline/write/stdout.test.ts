import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { NetobservError } from '../../../../src/base/errors.ts';
import { agentColumns } from '../../../../src/flow/agent-columns.ts';
import { errorRow } from '../../../support/error-row.ts';
import { appendRows } from '../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../support/models/interpreter/setup.ts';

const FIELDS = ['SrcAddr', 'Proto', 'Flags', 'Interfaces', 'Bytes'];
const ROWS = [
  { SrcAddr: '10.0.0.1', Proto: 6, Flags: 0x112, Interfaces: ['eth0', 'lo'], Bytes: 1234 },
  { SrcAddr: 'fd00::1', Proto: 17 },
];

async function outputOf(format: string | undefined, decode: boolean): Promise<string> {
  const stdout = format === undefined ? {} : { stdout: { format } };
  const rules = decode
    ? [{ type: 'decode_tcp_flags', decode_tcp_flags: { input: 'Flags', output: 'Flags' } }]
    : [];
  const { pipeline, output } = testPipeline(
    {
      pipeline: [
        { name: 'net', follows: 'preset-ingester' },
        { name: 'out', follows: 'net' },
      ],
      parameters: [
        { name: 'net', transform: { type: 'network', network: { rules } } },
        { name: 'out', write: { type: 'stdout', ...stdout } },
      ],
    },
    { source: agentColumns().filter((column) => FIELDS.includes(column.name)) },
  );
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, ROWS);
  pipeline.emit(batch);
  await pipeline.stop();
  expect(pipeline.branches()[0]).toMatchObject({ in: 2, written: 2, inFlight: 0 });
  return Buffer.concat(output).toString();
}

test('JSON lines hold what the flow has, flags as a mask', async () => {
  const lines = (await outputOf('json', false)).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual(ROWS);
});

test('after decode_tcp_flags in place, JSON has the names', async () => {
  const [first] = (await outputOf('json', true)).split('\n');
  expect(JSON.parse(first!)).toMatchObject({ Flags: ['SYN', 'ACK', 'SYN_ACK'] });
});

test('fields are a sorted table under a heading', async () => {
  expect(await outputOf('fields', true)).toBe(
    [
      '',
      'Flow record at 2023-11-14T22:13:20.000Z:',
      'Bytes      = 1234',
      'Flags      = [SYN ACK SYN_ACK]',
      'Interfaces = [eth0 lo]',
      'Proto      = 6',
      'SrcAddr    = 10.0.0.1',
      '',
      'Flow record at 2023-11-14T22:13:20.000Z:',
      'Proto   = 17',
      'SrcAddr = fd00::1',
      '',
    ].join('\n'),
  );
});

test('printf is a line per flow, and the default', async () => {
  const [first, second] = (await outputOf(undefined, false)).split('\n');
  const time = '2023-11-14T22:13:20.000Z';
  expect(first).toBe(
    `${time}: map[Bytes:1234 Flags:274 Interfaces:[eth0 lo] Proto:6 SrcAddr:10.0.0.1]`,
  );
  expect(second).toBe(`${time}: map[Proto:17 SrcAddr:fd00::1]`);
});

/** A disk that is full `refusals` times. */
function disk(refusals: boolean[]): Writable {
  const stream = new Writable();
  stream.write = ((_bytes: Uint8Array, done: (error?: Error) => void) => {
    const full = refusals.shift() === true;
    done(
      full ? new NetobservError(errorRow('ERR_OUTPUT'), 'full', { retryable: true }) : undefined,
    );
    return true;
  }) as Writable['write'];
  return stream;
}

async function writing(stdout: Writable) {
  const { pipeline, clock } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'preset-ingester' }],
      parameters: [{ name: 'out', write: { type: 'stdout', stdout: { format: 'json' } } }],
    },
    { stdout },
  );
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, ROWS);
  let settled: unknown;
  pipeline.emit(batch, (outcome) => {
    settled = outcome;
  });
  return { pipeline, clock, settled: () => settled };
}

test('a full disk is waited for', async () => {
  const { pipeline, clock, settled } = await writing(disk([true, true, false]));
  await clock.advance(0);
  expect(settled()).toBeUndefined();
  await clock.advance(2000);
  expect(settled()).toEqual({ lost: 0 });
  expect(pipeline.branches()[0]).toMatchObject({ written: 2, dropped: {} });
});

test('a disk that stays full, and a reader that is gone, lose flows that are counted', async () => {
  const full = await writing(disk(Array.from({ length: 1000 }, () => true)));
  await full.clock.advance(125_000);
  expect(full.settled()).toEqual({ lost: 2 });
  expect(full.pipeline.branches()[0]).toMatchObject({ dropped: { expired: 2 }, inFlight: 0 });

  const reader = new Writable({ write: (_bytes, _encoding, done) => done() });
  reader.on('error', () => undefined);
  reader.destroy();
  const gone = await writing(reader);
  await gone.clock.advance(0);
  expect(gone.settled()).toEqual({ lost: 2 });
  expect(gone.pipeline.branches()[0]).toMatchObject({ dropped: { refused: 2 } });
});
