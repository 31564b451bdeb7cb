import fc from 'fast-check';

const condition = fc
  .tuple(
    fc.constantFrom('exists', 'doesnt_exist', 'equal', 'not_equal'),
    fc.constantFrom<readonly [string, unknown]>(
      ['Proto', 6],
      ['Bytes', 0],
      ['SrcSubnetLabel', 'node-a'],
      ['DstAddr', '10.128.1.7'],
      ['Svc', 'http'],
      ['FlowDirection', '1'],
      ['NoSuchField', 'x'],
    ),
  )
  .map(([how, [input, value]]) => ({
    type: `remove_entry_if_${how}`,
    removeEntry: { input, value },
  }));

const query: fc.Arbitrary<string> = fc.letrec<{ all: string; one: string }>((tie) => ({
  all: fc.oneof(
    { maxDepth: 3 },
    tie('one'),
    fc
      .tuple(tie('all'), fc.constantFrom('and', 'or', 'AND', 'Or'), tie('all'))
      .map((parts) => parts.join(' ')),
    tie('all').map((inner) => `(${inner})`),
    tie('one').map((inner) => `not ${inner}`),
  ),
  one: fc.constantFrom(
    ...['with(Svc)', 'without(DstAddr)', 'Proto=6', 'Proto != 17', 'Bytes>500000000', 'Flags<=256'],
    ...['SrcPort>=53', 'FlowDirection<2', 'DstAddr="10.0.0.1"', 'DstAddr!="10.0.0.1"'],
    ...['SrcAddr=~"^10[.]"', 'SrcAddr !~ `:`', 'SrcAddr = "$(DstAddr)"', 'SrcAddr != "$(AgentIP)"'],
    ...['SrcPort = DstPort', 'SrcPort != DstPort', 'SrcPort < DstPort', 'SrcAddr = AgentIP'],
    ...['SrcAddr in ("10.0.0.0/23", "fd01::/64")', 'Proto in (6, 1)', 'Proto not in (6, "17")'],
    ...['Interfaces="lo"', 'Interfaces!="lo"', 'Interfaces=~"eth"', 'Interfaces !~ "eth1"'],
    ...['Interfaces in ("lo", "eth1")', 'Svc="http"', 'NoSuchField>0', 'NoSuchField!="a"'],
    ...['DnsFlagsResponseCode=""', 'SrcSubnetLabel = "ten"'],
  ),
})).all;

const comparison = fc.constantFrom('>100', '== 6', '>=22 && val<=80', '<50||>60000', '!=17');

/** Any rule of `transform: filter`, over the fields of the equivalence test. */
export const filterRule = fc.oneof(
  condition,
  fc.array(condition, { minLength: 1, maxLength: 3 }).map((removeEntryAllSatisfied) => ({
    type: 'remove_entry_all_satisfied',
    removeEntryAllSatisfied,
  })),
  fc.record({
    type: fc.constant('keep_entry_query'),
    keepEntryQuery: query,
    keepEntrySampling: fc.constantFrom(0, 1, 50),
  }),
  fc
    .array(
      fc.record({ value: fc.constantFrom(0, 1, 9), rules: fc.array(condition, { maxLength: 2 }) }),
      {
        maxLength: 2,
      },
    )
    .map((conditionalSampling) => ({ type: 'conditional_sampling', conditionalSampling })),
  fc
    .constantFrom<readonly [string, unknown]>(['Proto', 17], ['Svc', 'fixed'], ['Cluster', 'here'])
    .map(([input, value]) => ({
      type: 'add_field_if_doesnt_exist',
      addFieldIfDoesntExist: { input, value },
    })),
  fc
    .record({
      input: fc.constantFrom('SrcPort', 'Proto', 'Bytes'),
      assignee: fc.constantFrom('', 'high'),
      parameters: comparison,
    })
    .chain((rule) =>
      fc.constantFrom(
        {
          type: 'add_field_if',
          addFieldIf: { ...rule, output: rule.assignee === '' ? `${rule.input}If` : 'Class' },
        },
        { type: 'add_label_if', addLabelIf: { ...rule, output: 'class' } },
      ),
    ),
  fc
    .constantFrom(
      { input: 'SrcAddr', output: 'Ten', parameters: '^10' },
      { input: 'Interfaces', output: 'Eths', parameters: 'eth' },
      { input: 'SrcPort', output: 'PortWith2', parameters: '2' },
    )
    .map((addRegexIf) => ({ type: 'add_regex_if', addRegexIf })),
  fc.constant({ type: 'add_label', addLabel: { input: 'site', value: 7 } }),
  fc.constantFrom('SrcAddr', 'Flags', 'AgentIP', 'Svc', 'Interfaces').map((input) => ({
    type: 'remove_field',
    removeField: { input },
  })),
  fc
    .constantFrom<readonly [string, unknown]>(
      ['Proto', 17],
      ['Svc', 'fixed'],
      ['SrcSubnetLabel', ''],
      ['DstAddr', '10.0.0.1'],
      ['Cluster', 'here'],
    )
    .map(([input, value]) => ({ type: 'add_field', addField: { input, value } })),
);
