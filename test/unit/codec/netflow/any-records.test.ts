import { expect, test } from 'vitest';
import { type ReadElement, readColumns } from '../../../../src/codec/netflow/elements-read.ts';
import { FlowReader, ROOM_MIN_ROWS } from '../../../../src/codec/netflow/flow-reader.ts';
import { DOMAINS_MAX, TEMPLATES_MAX } from '../../../../src/codec/netflow/templates.ts';
import { BatchLayout, FlowBatch } from '../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { mutate, randomFrom } from '../../../support/codec/mutations.ts';
import {
  type Field,
  ipfix,
  octets,
  set,
  template,
  testReader,
  v5,
  v9,
} from '../../../support/codec/netflow-bytes.ts';
import { KNOWN, keyOf, modelRow } from '../../../support/codec/netflow-model.ts';

const CASES = 700;

const OWN: readonly ReadElement[] = [
  { enterprise: 9, id: 1, target: { column: 'CustomInteger_1', form: 'value' } },
  { enterprise: 0, id: 82, target: { column: 'Interface', form: 'value' } },
];

type Random = () => number;

function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random() % values.length]!;
}

function anyField(random: Random, isIpfix: boolean): Field {
  const keys = Object.keys(KNOWN).filter((key) => isIpfix || !key.includes('/'));
  const key = pick(random, keys);
  const length = pick(random, KNOWN[key]!.lengths);
  const [enterprise, id] = key.includes('/')
    ? key.split('/').map(Number)
    : [undefined, Number(key)];
  if (!isIpfix && length === 65_535) return [id!, 8];
  return enterprise === undefined ? [id!, length] : [id!, length, enterprise];
}

/** Octets of a value: noise, zeros, and few letters for texts. */
function anyValue(random: Random, field: Field): Buffer {
  const length = field[1] === 65_535 ? random() % pick(random, [3, 20, 250]) : field[1];
  const isText = keyOf(field) === '82';
  const style = random() % 3;
  return Buffer.from(
    Array.from({ length }, () =>
      style === 0 ? 0 : isText ? 97 + (random() % 3) : random() & 0xff,
    ),
  );
}

function encoded(random: Random, [, length]: Field, value: Buffer): Buffer {
  if (length !== 65_535) return value;
  const isLong = value.length > 254 || random() % 4 === 0;
  const head = isLong ? octets([1, 255], [2, value.length]) : octets([1, value.length]);
  return Buffer.concat([head, value]);
}

test('records of any template are read as a plain reader reads them', () => {
  const random = randomFrom(7);
  const reader = testReader(OWN);
  for (let round = 0; round < CASES; round++) {
    const isIpfix = random() % 3 !== 0;
    const fields = Array.from({ length: 1 + (random() % 20) }, () => anyField(random, isIpfix));
    const records = Array.from({ length: 1 + (random() % 80) }, () =>
      fields.map((field) => anyValue(random, field)),
    );
    const body = records.map((values) =>
      Buffer.concat(values.map((value, at) => encoded(random, fields[at]!, value))),
    );
    const bytes = isIpfix
      ? ipfix({}, set(2, template(256, fields)), set(256, ...body))
      : v9({}, set(0, template(256, fields)), set(256, ...body));
    if (bytes.length > 65_507) continue;
    const { rows, problem } = reader.read(bytes);
    expect(problem).toBeUndefined();
    expect(rows.map(known)).toEqual(records.map((values) => visible(modelRow(fields, values))));
  }
});

const OF_DATAGRAM = new Set([
  ...['Type', 'SequenceNum', 'SamplerAddress', 'TimeReceived', 'ObservationDomainId'],
]);
/** Zeros of these are shown. */
const WITH_ZERO = new Set([
  ...['Proto', 'SrcPort', 'DstPort', 'Etype', 'FlowDirection', 'IcmpType', 'IcmpCode'],
  ...['TimeFlowStartMs', 'TimeFlowEndMs', 'XlatSrcPort'],
]);

function known(row: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !OF_DATAGRAM.has(name)));
}

function visible(row: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(row).filter(([name, value]) => value !== 0 || WITH_ZERO.has(name)),
  );
}

test('a million datagrams that nobody would send: nothing is thrown, and nothing grows', () => {
  const random = randomFrom(11);
  const fields: readonly Field[] = [
    [8, 4],
    [27, 16],
    [7, 2],
    [1, 8],
    [1, 4, 29_305],
    [22, 4],
  ];
  const samples = [
    ipfix(
      {},
      set(
        2,
        template(256, fields),
        template(257, [
          [82, 65_535],
          [2, 4],
        ]),
      ),
    ),
    ipfix({}, set(256, Buffer.alloc(76, 1)), set(257, Buffer.from('\x03abc'), Buffer.alloc(4))),
    ipfix({}, set(3, octets([2, 258], [2, 2], [2, 1]), octets([4, 0x0095_0004], [4, 0x0022_0004]))),
    v9(
      {},
      set(
        0,
        template(256, [
          [8, 4],
          [22, 4],
        ]),
      ),
      set(256, Buffer.alloc(16, 2)),
    ),
    v5({}, Buffer.alloc(48, 3)),
  ];
  const layout = new BatchLayout(readColumns());
  const tables = new TableSpace(20_000);
  const batch = new FlowBatch(layout, tables.current, 16);
  const reader = new FlowReader(layout);
  const room = (): FlowBatch => {
    if (batch.capacity - batch.length >= ROOM_MIN_ROWS) return batch;
    tables.rotateIfFull();
    batch.reset(tables.current);
    return batch;
  };
  const input = new Uint8Array(160);
  const codes = new Set<string>();
  let most = 0;
  let read = 0;
  for (let i = 0; i < 1_000_000; i++) {
    const sample = samples[i % samples.length]!;
    let length = mutate(sample, input, 0, random);
    if (i % 8 === 0) for (length = 0; length < random() % 160; length++) input[length] = random();
    const source = { address: `192.0.2.${i & 7}`, port: i & 3 };
    const bytes = input.subarray(0, length);
    const { problem, flows } = reader.read(bytes, source, 0, i / 10, room);
    if (problem !== undefined) codes.add(problem.code);
    most = Math.max(most, flows / (length + 1));
    if (flows > 0) read++;
  }
  expect(read).toBeGreaterThan(100_000);
  expect(most).toBeLessThanOrEqual(2);
  const all = ['VERSION', 'TRUNCATED', 'TEMPLATE', 'LIMIT'];
  expect([...codes].sort()).toEqual(all.map((code) => `ERR_CODEC_NETFLOW_${code}`).sort());
  expect(reader.sizes.templates).toBeLessThanOrEqual(TEMPLATES_MAX);
  expect(reader.sizes.domains).toBeLessThanOrEqual(DOMAINS_MAX);
}, 120_000);
