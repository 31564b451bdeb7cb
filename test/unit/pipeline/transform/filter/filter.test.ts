import { describe, expect, test } from 'vitest';
import type { PipelineDeps } from '../../../../../src/pipeline/pipeline.ts';
import { appendRows, type Row } from '../../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';

async function run(
  rows: readonly Row[],
  filter: Readonly<Record<string, unknown>>,
  overrides: Partial<PipelineDeps> = {},
): Promise<readonly Row[]> {
  const { pipeline, stores } = testPipeline(
    {
      pipeline: [
        { name: 'filter', follows: 'preset-ingester' },
        { name: 'out', follows: 'filter' },
      ],
      parameters: [
        { name: 'filter', transform: { type: 'filter', filter } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    overrides,
  );
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, rows);
  pipeline.emit(batch);
  await pipeline.stop();
  return stores.a.rows;
}

/** Numbers that take turns. */
function turns(...numbers: readonly number[]): () => number {
  let next = 0;
  return () => numbers[next++ % numbers.length]!;
}

describe('keep_entry_query', () => {
  const keep = (keepEntryQuery: string, keepEntrySampling = 0) => ({
    type: 'keep_entry_query',
    keepEntryQuery,
    keepEntrySampling,
  });

  test('queries run before all other rules, and one of them is enough', async () => {
    const rules = [
      { type: 'remove_entry_if_equal', removeEntry: { input: 'Proto', value: 17 } },
      { type: 'add_field', addField: { input: 'Proto', value: 1 } },
      keep('Proto=6'),
      keep('Proto=17 and Bytes>10'),
    ];
    const rows = [{ Proto: 6 }, { Proto: 17, Bytes: 11 }, { Proto: 17, Bytes: 9 }, { Proto: 1 }];
    expect(await run(rows, { rules })).toEqual([{ Proto: 1 }]);
  });

  test('a flow that one query leaves out may be kept by a later one', async () => {
    const rules = [keep('Proto=6', 4), keep('Bytes=7')];
    const rows = [6, 7, 8, 7].map((Bytes) => ({ Proto: 6, Bytes }));
    const random = turns(0.9, 0.9, 0.1, 0.9);
    expect(await run(rows, { rules }, { random })).toEqual([rows[1], rows[2], rows[3]]);
  });

  test('the sampling rate is multiplied; none, and 0, count as 1', async () => {
    const rules = [keep('Proto=6', 10), keep('Proto=17')];
    const rows = [
      { Proto: 6, Sampling: 50 },
      { Proto: 6, Sampling: 0 },
      { Proto: 6 },
      { Proto: 17, Sampling: 3 },
    ];
    const filter = { rules, samplingField: 'Sampling' };
    expect(await run(rows, filter, { random: () => 0 })).toEqual([
      { Proto: 6, Sampling: 500 },
      { Proto: 6, Sampling: 10 },
      { Proto: 6, Sampling: 10 },
      { Proto: 17, Sampling: 3 },
    ]);
  });

  test('about 1 in N flows stays', async () => {
    const rows = Array.from({ length: 4000 }, () => ({ Proto: 6 }));
    const kept = await run(rows, { rules: [keep('Proto=6', 4)] }, { random: Math.random });
    // Six standard deviations on either side.
    expect(kept.length).toBeGreaterThan(835);
    expect(kept.length).toBeLessThan(1165);
  });
});

test('add_field_if_doesnt_exist', async () => {
  const addFieldIfDoesntExist = { input: 'K8S_ClusterName', value: 'here' };
  const rules = [{ type: 'add_field_if_doesnt_exist', addFieldIfDoesntExist }];
  const flows = [{ Bytes: 1 }, { Bytes: 2, K8S_ClusterName: 'there' }];
  expect(await run(flows, { rules })).toEqual([
    { Bytes: 1, K8S_ClusterName: 'here' },
    { Bytes: 2, K8S_ClusterName: 'there' },
  ]);
});

// In flowlogs-pipeline, a number of JSON never equals one of an agent.
test.each([undefined, false, true])('castInt: %s: numbers compare by value', async (castInt) => {
  const removeEntry = { input: 'Proto', value: 17, castInt };
  const is = { type: 'remove_entry_if_equal', removeEntry };
  const isNot = { type: 'remove_entry_if_not_equal', removeEntry };
  const flows = [{ Proto: 6 }, { Proto: 17 }, { Bytes: 1 }];
  expect(await run(flows, { rules: [is] })).toEqual([flows[0], flows[2]]);
  expect(await run(flows, { rules: [isNot] })).toEqual([flows[1], flows[2]]);
  const all = { type: 'remove_entry_all_satisfied', removeEntryAllSatisfied: [is] };
  expect(await run(flows, { rules: [all] })).toEqual([flows[0], flows[2]]);
  const conditionalSampling = [{ value: 2, rules: [is] }];
  const sampled = { type: 'conditional_sampling', conditionalSampling };
  expect(await run(flows, { rules: [sampled] }, { random: () => 0.9 })).toEqual([
    flows[0],
    flows[2],
  ]);
  const rules = [
    { type: 'add_field', addField: { input: 'Bytes', value: 2.5, castInt } },
    {
      type: 'add_field_if_doesnt_exist',
      addFieldIfDoesntExist: { input: 'Proto', value: 1, castInt },
    },
    { type: 'add_label', addLabel: { input: 'n', value: 3, castInt } },
  ];
  expect(await run([{ Packets: 1 }], { rules })).toEqual([
    { Packets: 1, Bytes: 2.5, Proto: 1, labels: 'n=3' },
  ]);
});

test('conditional_sampling: the first entry whose conditions hold decides', async () => {
  const equal = (input: string, value: unknown) => ({
    type: 'remove_entry_if_equal',
    removeEntry: { input, value },
  });
  const rules = [
    {
      type: 'conditional_sampling',
      conditionalSampling: [
        { value: 0, rules: [equal('Proto', 6), equal('Bytes', 1)] },
        { value: 2, rules: [equal('Proto', 6)] },
      ],
    },
  ];
  const rows = [
    { Proto: 6, Bytes: 1 },
    { Proto: 6, Bytes: 2 },
    { Proto: 6, Bytes: 3 },
    { Proto: 17, Bytes: 4 },
  ];
  const random = turns(0.6, 0.4);
  expect(await run(rows, { rules }, { random })).toEqual([rows[0], rows[2], rows[3]]);
});

test('fields and labels are added where the input compares well', async () => {
  const rules = [
    { type: 'add_field_if', addFieldIf: { input: 'Bytes', output: 'big', parameters: '>=10' } },
    {
      type: 'add_field_if',
      addFieldIf: {
        ...{ input: 'Interfaces', output: 'where', assignee: 'loop' },
        parameters: "=='lo'",
      },
    },
    {
      type: 'add_regex_if',
      addRegexIf: { input: 'Interfaces', output: 'eth', parameters: '^eth' },
    },
    { type: 'add_label', addLabel: { input: 'site', value: 'a' } },
    { type: 'add_label_if', addLabelIf: { input: 'Bytes', output: 'b', parameters: '<10' } },
  ];
  const rows = [
    { Bytes: 9, Interfaces: ['lo'] },
    { Bytes: 10, Interfaces: ['eth0', 'eth1'] },
  ];
  expect(await run(rows, { rules })).toEqual([
    { ...rows[0], where: 'loop', where_Evaluate: true, labels: 'site=a,b=9' },
    {
      ...rows[1],
      ...{ big: 10, big_Evaluate: true },
      ...{ eth: ['eth0', 'eth1'], eth_Matched: true, labels: 'site=a' },
    },
  ]);
});

describe('mistakes', () => {
  test.each([
    [
      { type: 'keep_entry_query', keepEntryQuery: 'Proto=6 and (Bytes>"x")' },
      'rules[0].keepEntryQuery: expected a number or a field behind >, but found "x" (character 20)',
    ],
    [
      { type: 'keep_entry_query', keepEntryQuery: 'SrcAddr=~"("' },
      'rules[0].keepEntryQuery: "(" is not a regular expression (character 10)',
    ],
    [
      { type: 'add_field_if', addFieldIf: { input: 'Bytes', output: 'x', parameters: 'over 9' } },
      'rules[0].addFieldIf.parameters: "over 9" is not a comparison such as >10',
    ],
    [
      { type: 'add_regex_if', addRegexIf: { input: 'Bytes', output: 'x', parameters: '[' } },
      'rules[0].addRegexIf.parameters: "[" is not a regular expression',
    ],
    [
      {
        type: 'remove_entry_all_satisfied',
        removeEntryAllSatisfied: [
          { type: 'remove_entry_if_exists', removeEntry: { input: 'Proto' } },
          { type: 'remove_entry_if_equal', removeEntry: { input: 'Proto' } },
        ],
      },
      'rules[0].removeEntryAllSatisfied[1].removeEntry.value: is required by remove_entry_if_equal',
    ],
    [
      { type: 'add_label_if', addLabelIf: { input: 'Bytes', output: 'x', parameters: ">'a'" } },
      `rules[0].addLabelIf.parameters: ">'a'" is not a comparison`,
    ],
  ])('%j', async (rule, message) => {
    await expect(run([], { rules: [rule] })).rejects.toThrow(message);
  });

  test('the rate is in a field that holds no numbers', async () => {
    const rules = [{ type: 'keep_entry_query', keepEntryQuery: 'Proto=6', keepEntrySampling: 2 }];
    await expect(run([], { rules, samplingField: 'SrcAddr' })).rejects.toThrow(
      'samplingField: field SrcAddr holds addr, but a sampling rate is a number',
    );
  });
});
