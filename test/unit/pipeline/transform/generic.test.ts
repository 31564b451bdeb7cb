import { describe, expect, test } from 'vitest';
import type { StageParameters } from '../../../../src/pipeline/options/graph.ts';
import { appendRows, type Row } from '../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../../support/models/interpreter/test-stages.ts';

type Stage = Omit<StageParameters, 'name'>;
interface Rule {
  readonly input: string;
  readonly output: string;
  readonly multiplier?: number;
}

function generic(rules: readonly Rule[], policy?: string): Stage {
  return { transform: { type: 'generic', generic: { rules, ...(policy && { policy }) } } };
}

/** Stages one behind another, between a source and a store. */
async function run(rows: readonly Row[], stages: readonly Stage[], isOpen = false) {
  const names = ['rows', ...stages.map((_, index) => `s${index}`), 'end'];
  const parameters: StageParameters[] = [
    ...(isOpen ? [{ name: 'rows', ingest: { type: 'rows', rows: { batches: [rows] } } }] : []),
    ...stages.map((stage, index) => ({ name: `s${index}`, ...stage })),
    { name: 'end', write: { type: 'store', store: { name: 'a' } } },
  ];
  const source = isOpen ? 'rows' : 'preset-ingester';
  const pipeline = names
    .slice(1)
    .map((name, index) => ({ name, follows: index === 0 ? source : names[index]! }));
  const bed = testPipeline({ pipeline, parameters }, { types: WITH_TEST_STAGES });
  await bed.pipeline.start(new AbortController().signal);
  if (!isOpen) {
    const batch = bed.pipeline.take();
    appendRows(batch, rows);
    bed.pipeline.emit(batch);
  }
  await bed.pipeline.stop();
  return { ...bed, rows: bed.stores.a.rows };
}

test('fields change places, since all rules read what was there before', async () => {
  const swap = [
    { input: 'SrcAddr', output: 'DstAddr' },
    { input: 'DstAddr', output: 'SrcAddr' },
  ];
  const { rows } = await run(
    [{ SrcAddr: '10.0.0.1', DstAddr: '10.0.0.2' }, { SrcAddr: '10.0.0.3' }],
    [generic(swap)],
  );
  expect(rows).toEqual([
    { SrcAddr: '10.0.0.2', DstAddr: '10.0.0.1' },
    { SrcAddr: '10.0.0.3', DstAddr: '10.0.0.3' },
  ]);
});

test('replace_keys leaves the outputs alone', async () => {
  const rules = [
    { input: 'SrcAddr', output: 'source' },
    { input: 'Bytes', output: 'Bytes' },
    { input: 'DstPort', output: 'SrcPort' },
    { input: 'TimeFlowRttNs', output: 'rttMs', multiplier: 1e-6 },
  ];
  const { rows, pipeline } = await run(
    [
      { SrcAddr: '10.0.0.1', Bytes: 5, SrcPort: 1, DstPort: 2, TimeFlowRttNs: 2_500_000 },
      { Bytes: 6, SrcPort: 1, Proto: 6 },
    ],
    [generic(rules, 'replace_keys')],
  );
  expect(rows).toEqual([{ source: '10.0.0.1', Bytes: 5, SrcPort: 2, rttMs: 2.5 }, { Bytes: 6 }]);
  expect(pipeline.plan()).toContain('· keep the outputs → -all others');
  expect(pipeline.plan()).toContain(
    'decoded columns (4): SrcAddr, DstPort, Bytes, TimeFlowRttNs\n',
  );
});

test('replace_keys drops keys that only the data define, and other branches keep theirs', async () => {
  const { stores, pipeline } = testPipeline(
    {
      pipeline: [
        { name: 'short', follows: 'rows' },
        { name: 'a', follows: 'short' },
        { name: 'b', follows: 'rows' },
      ],
      parameters: [
        {
          name: 'rows',
          ingest: { type: 'rows', rows: { batches: [[{ app: 'web', zone: 'z', Proto: 6 }]] } },
        },
        { name: 'short', ...generic([{ input: 'app', output: 'name' }], 'replace_keys') },
        { name: 'a', write: { type: 'store', store: { name: 'a' } } },
        { name: 'b', write: { type: 'store', store: { name: 'b' } } },
      ],
    },
    { types: WITH_TEST_STAGES },
  );
  await pipeline.start(new AbortController().signal);
  await pipeline.stop();
  expect(stores.a.rows).toEqual([{ name: 'web' }]);
  expect(stores.b.rows).toEqual([{ app: 'web', zone: 'z', Proto: 6 }]);
});

test('keys of the data become fields of their kind; what does not fit is counted', async () => {
  const rules = [
    { input: 'ip', output: 'SrcAddr' },
    { input: 'octets', output: 'Bytes', multiplier: 8 },
    { input: 'ports', output: 'Interfaces' },
  ];
  const { rows, metrics } = await run(
    [
      { ip: '10.0.0.1', octets: 2, ports: ['eth0', 'eth1'] },
      { ip: 'nowhere', octets: 'many', ports: 'eth2' },
    ],
    [generic(rules, 'replace_keys')],
    true,
  );
  expect(rows).toEqual([
    { SrcAddr: '10.0.0.1', Bytes: 16, Interfaces: ['eth0', 'eth1'] },
    { Interfaces: ['eth2'] },
  ]);
  const text = await metrics.registry.metrics();
  expect(text).toContain('pipeline_unconverted_values_total{stage="s0",field="SrcAddr"} 1');
});

test('flags that are shown by name have their names under another name, too', async () => {
  const decode = { input: 'Flags', output: 'Flags' };
  const network = { rules: [{ type: 'decode_tcp_flags', decode_tcp_flags: decode }] };
  const { rows } = await run(
    [{ Flags: 0x12 }],
    [
      { transform: { type: 'network', network } },
      generic([{ input: 'Flags', output: 'tcp' }], 'replace_keys'),
    ],
  );
  expect(rows).toEqual([{ tcp: ['SYN', 'ACK'] }]);
});

describe('mistakes', () => {
  test.each([
    [
      'a text cannot be multiplied',
      [{ input: 'SrcAddr', output: 'x', multiplier: 2 }],
      /parameters\[0\]\.transform\.generic\.rules\[0\]\.input: field SrcAddr holds addr, but u8 or/,
    ],
    [
      'a field of another kind is in the way',
      [{ input: 'SrcAddr', output: 'Bytes' }],
      /field Bytes holds f64, but copy SrcAddr makes addr: choose another output/,
    ],
    ['no such policy', [], /policy/],
  ])('%s', async (why, rules, message) => {
    const policy = why === 'no such policy' ? 'replace' : undefined;
    await expect(run([], [generic(rules, policy)])).rejects.toThrow(message);
  });
});
