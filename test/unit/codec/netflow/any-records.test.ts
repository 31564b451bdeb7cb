import { expect, test } from 'vitest';
import type { ReadElement } from '../../../../src/codec/netflow/elements-read.ts';
import { randomFrom } from '../../../support/codec/mutations.ts';
import {
  type Field,
  ipfix,
  octets,
  set,
  template,
  testReader,
  v9,
} from '../../../support/codec/netflow-bytes.ts';
import { KNOWN, keyOf, modelRow } from '../../../support/codec/netflow-model.ts';

const CASES = 3000;

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
    const { rows, problem } = testReader(OWN).read(bytes);
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
