import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogRecords } from '../../../../src/codec/otlp/logs.ts';
import { RequestWriter } from '../../../../src/codec/otlp/request.ts';
import { SpanRecords } from '../../../../src/codec/otlp/spans.ts';
import type { RecordSource } from '../../../../src/codec/records.ts';
import { BatchLayout, EXTRAS, FlowBatch } from '../../../../src/flow/batch.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { rowsOf } from '../../../../src/flow/row.ts';
import { anyRow } from '../../../support/codec/any-row.ts';
import {
  decodeLogs,
  decodeTraces,
  type Log,
  plainAttributes,
  plainValue,
  type Span,
} from '../../../support/codec/otlp-schema.ts';
import { batchOf } from '../../../support/flows/batch-of.ts';
import { layoutFor } from '../../../support/flows/layout-for.ts';

const everything = layoutFor(FIELDS.map((field) => field.name));
const names = new Set(['Flags']);
const NOW_MS = 1_764_500_000_123;
const frame = { resource: { 'service.name': 'test' }, scope: 'scope' };

function request(records: RecordSource, batch: FlowBatch): Uint8Array {
  const count = records.encode(batch);
  return new RequestWriter(frame).write(records.bytes, 0, records.offsets[count]!);
}

function logsOf(batch: FlowBatch): readonly Log[] {
  const bytes = request(new LogRecords({ names }, () => NOW_MS), batch);
  const [{ resource, scopeLogs }] = decodeLogs(bytes);
  expect(plainAttributes(resource.attributes)).toEqual({ 'service.name': 'test' });
  expect(scopeLogs).toHaveLength(1);
  expect(scopeLogs[0].scope.name).toBe('scope');
  return scopeLogs[0].logRecords;
}

/** Random numbers that are distinct, and known. */
function counter(): (into: Uint8Array) => void {
  let next = 1;
  return (into) => {
    for (let i = 0; i < into.length; i++) into[i] = next++ % 251;
  };
}

function spansOf(batch: FlowBatch, prefixes: readonly string[]): readonly Span[] {
  const records = new SpanRecords({ names, prefixes }, { nowMs: () => NOW_MS, draw: counter() });
  const [{ scopeSpans }] = decodeTraces(request(records, batch));
  return scopeSpans[0].spans;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('a third-party decoder finds every field of every flow, and the flow as JSON', () => {
  const space = new TableSpace();
  fc.assert(
    fc.property(fc.array(anyRow(), { minLength: 1, maxLength: 4 }), (rows) => {
      const batch = batchOf(everything, space.current, rows);
      const expected = rowsOf(batch, { names });
      const logs = logsOf(batch);
      expect(logs.map(({ attributes }) => plainAttributes(attributes))).toEqual(expected);
      const bodies = logs.map(({ body }) => JSON.parse(String(plainValue(body))));
      expect(bodies).toEqual(JSON.parse(JSON.stringify(expected)));
      for (const { severityNumber, severityText } of logs) {
        expect([severityNumber, severityText]).toEqual([9, 'INFO']);
      }
    }),
    { numRuns: 100 },
  );
});

describe('times', () => {
  const layout = layoutFor(['TimeFlowStartMs', 'TimeFlowEndMs', 'Bytes']);

  test.each([
    [1, '1000000'],
    [1_764_500_000_123, '1764500000123000000'],
    [1_764_500_000_123.5, '1764500000123500000'],
    [4_102_444_800_000, '4102444800000000000'],
    [0xffff, '65535000000'],
    [0x10000, '65536000000'],
  ])('%d ms are %s ns', (TimeFlowEndMs, nanoseconds) => {
    const batch = batchOf(layout, new TableSpace().current, [{ TimeFlowEndMs }]);
    expect(String(logsOf(batch)[0]!.timeUnixNano)).toBe(nanoseconds);
  });

  test('the record has the time of the last packet, and that of now as observed', () => {
    const row = { TimeFlowStartMs: 5000, TimeFlowEndMs: 7000 };
    const [log] = logsOf(batchOf(layout, new TableSpace().current, [row]));
    expect(String(log!.timeUnixNano)).toBe('7000000000');
    expect(String(log!.observedTimeUnixNano)).toBe(`${NOW_MS}000000`);
  });

  test('a flow without times has that of now', () => {
    const [log] = logsOf(batchOf(layout, new TableSpace().current, [{ Bytes: 1 }]));
    expect(String(log!.timeUnixNano)).toBe(`${NOW_MS}000000`);
  });
});

test('only selected rows are written', () => {
  const batch = batchOf(layoutFor(['Bytes']), new TableSpace().current, [
    { Bytes: 1 },
    { Bytes: 2 },
    { Bytes: 3 },
  ]);
  batch.selection = Uint32Array.of(0, 2);
  const values = logsOf(batch).map(({ attributes }) => plainAttributes(attributes));
  expect(values).toEqual([{ Bytes: 1 }, { Bytes: 3 }]);
});

test('values of unknown kind, and keys that only the data define', () => {
  const columns = [
    { name: 'Mixed', kind: 'any' },
    { name: EXTRAS, kind: 'any' },
  ] as const;
  const batch = new FlowBatch(new BatchLayout(columns), new TableSpace().current, 8);
  const values: readonly unknown[] = [
    'text',
    true,
    -7,
    -(2 ** 40),
    1.5,
    ['a', 1, null, [2]],
    { deep: { er: [false] }, gone: null },
    undefined,
  ];
  for (const [row, value] of values.entries()) {
    (batch.column('Mixed').values as unknown[])[row] = value;
    (batch.column(EXTRAS).values as unknown[])[row] =
      row === 0 ? { own: [1], no: null } : undefined;
  }
  batch.length = values.length;
  const found = logsOf(batch).map(({ attributes }) => plainAttributes(attributes));
  expect(found).toEqual([
    { Mixed: 'text', own: [1] },
    ...[true, -7, -(2 ** 40), 1.5].map((Mixed) => ({ Mixed })),
    { Mixed: ['a', 1, null, [2]] },
    { Mixed: { deep: { er: [false] }, gone: null } },
    {},
  ]);
});

test('a value that is nested too deeply becomes text', () => {
  let value: unknown = 'bottom';
  for (let depth = 0; depth < 40; depth++) value = { a: value };
  const columns = [{ name: 'Deep', kind: 'any' }] as const;
  const batch = new FlowBatch(new BatchLayout(columns), new TableSpace().current, 1);
  (batch.column('Deep').values as unknown[])[0] = value;
  batch.length = 1;
  const text = JSON.stringify(plainAttributes(logsOf(batch)[0]!.attributes));
  expect(text.split('{')).toHaveLength(1 + 1 + 40);
  expect(text).toContain('bottom');
});

describe('spans', () => {
  const row = {
    SrcAddr: '10.0.0.1',
    SrcPort: 1000,
    DstAddr: '10.0.0.2',
    Bytes: 5,
    TimeFlowStartMs: 1000,
    TimeFlowEndMs: 3000,
  };
  const layout = layoutFor(Object.keys(row));
  const batch = batchOf(layout, new TableSpace().current, [row, row]);
  const common = { Bytes: 5, TimeFlowStartMs: 1000, TimeFlowEndMs: 3000 };

  test('a flow is a span with all fields, and one with its own for each prefix', () => {
    const spans = spansOf(batch, ['Src', 'Dst']);
    const values = spans.map(({ name, attributes }) => [name, plainAttributes(attributes)]);
    expect(values.slice(0, 3)).toEqual([
      ['flp_encode', row],
      ['Src', { Addr: '10.0.0.1', Port: 1000, ...common }],
      ['Dst', { Addr: '10.0.0.2', ...common }],
    ]);
    expect(values.slice(3)).toEqual(values.slice(0, 3));
  });

  test('spans have the times of the flow', () => {
    for (const { startTimeUnixNano, endTimeUnixNano, kind } of spansOf(batch, ['Src'])) {
      expect([String(startTimeUnixNano), String(endTimeUnixNano)]).toEqual([
        '1000000000',
        '3000000000',
      ]);
      expect(kind).toBe(1);
    }
  });

  test('spans of a flow share a trace, and no two spans an id', () => {
    const spans = spansOf(batch, ['Src', 'Dst']);
    const traces = spans.map(({ traceId }) => hex(traceId));
    expect(new Set(traces.slice(0, 3)).size).toBe(1);
    expect(new Set(traces).size).toBe(2);
    expect(traces[0]).toHaveLength(32);
    expect(new Set(spans.map(({ spanId }) => hex(spanId))).size).toBe(6);
    const parents = spans.map(({ parentSpanId }) => hex(parentSpanId));
    const [first, second] = [hex(spans[0]!.spanId), hex(spans[3]!.spanId)];
    expect(parents).toEqual(['', first, first, '', second, second]);
  });

  test('random numbers are drawn anew when they are used up', () => {
    const rows = Array.from({ length: 1000 }, () => row);
    const many = new FlowBatch(layout, new TableSpace().current, 1000);
    const spans = spansOf(batchOf(layout, many.tables, rows), []);
    expect(spans).toHaveLength(1000);
    for (const { traceId, spanId } of spans) {
      expect(hex(traceId)).toMatch(/[1-9a-f]/);
      expect(hex(spanId)).toMatch(/[1-9a-f]/);
    }
  });
});
