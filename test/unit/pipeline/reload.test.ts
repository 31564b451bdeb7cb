import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { NetobservError } from '../../../src/base/errors.ts';
import type { PipelineConfig } from '../../../src/pipeline/options/graph.ts';
import { anyRow, anyTree, configOf } from '../../support/models/any-pipeline.ts';
import { interpret } from '../../support/models/interpreter/interpret.ts';
import { parseSamples } from '../../support/models/interpreter/prom.ts';
import { appendRows, type Row } from '../../support/models/interpreter/rows.ts';
import {
  PROTOCOLS_FILE,
  SERVICES_FILE,
  type TestPipeline,
  testPipeline,
} from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';

const FILES = { services: SERVICES_FILE, protocols: PROTOCOLS_FILE };
const preset = 'preset-ingester';

type Rules = readonly Record<string, unknown>[];
const filter = (rules: Rules) => ({
  name: 'filter',
  transform: { type: 'filter', filter: { rules } },
});
const store = (name: string, to = name) => ({
  name,
  write: { type: 'store', store: { name: to } },
});
const without = (port: number) => ({
  type: 'remove_entry_if_equal',
  removeEntry: { input: 'DstPort', value: port },
});
const chain = (...stages: readonly { readonly name: string }[]): PipelineConfig =>
  ({
    pipeline: stages.map(({ name }, at) => ({ name, follows: stages[at - 1]?.name ?? preset })),
    parameters: stages,
  }) as unknown as PipelineConfig;

async function started(config: PipelineConfig): Promise<TestPipeline> {
  const bed = testPipeline(config, { types: WITH_TEST_STAGES });
  const abort = new AbortController();
  await bed.pipeline.start(abort.signal);
  return bed;
}

function send({ pipeline }: TestPipeline, rows: readonly Row[]): void {
  const batch = pipeline.take();
  appendRows(batch, rows);
  pipeline.emit(batch);
}

const flows = (...ports: readonly number[]): readonly Row[] =>
  ports.map((DstPort) => ({ DstPort, Bytes: 1, Proto: 6 }));
const ports = (rows: readonly Row[]) => rows.map(({ DstPort }) => DstPort);

describe('a filter changes', () => {
  test('flows before the reload go by the old rules, those after it by the new ones', async () => {
    const bed = await started(chain(filter([without(22)]), store('a')));
    send(bed, flows(22, 80));
    await bed.pipeline.reload(chain(filter([without(80)]), store('a')));
    send(bed, flows(22, 80, 443));
    await bed.pipeline.stop();
    expect(ports(bed.stores.a.rows)).toEqual([80, 22, 443]);
    expect(bed.pipeline.branches()).toEqual([
      { name: 'a', in: 5, written: 3, filtered: 2, dropped: {}, inFlight: 0 },
    ]);
  });

  test('a batch that lacks columns of the new plan goes through the old one', async () => {
    const bed = await started(chain(filter([without(22)]), store('a')));
    const early = bed.pipeline.take();
    const add = { type: 'add_field', addField: { input: 'Rack', value: 'r1' } };
    const reloaded = bed.pipeline.reload(chain(filter([without(80), add]), store('a')));
    await expect.poll(() => bed.pipeline.layout.has('Rack')).toBe(true);
    send(bed, flows(80, 443));
    appendRows(early, flows(22, 80));
    bed.pipeline.emit(early);
    await reloaded;
    await bed.pipeline.stop();
    expect(bed.stores.a.rows).toMatchObject([{ DstPort: 443, Rack: 'r1' }, { DstPort: 80 }]);
    expect(bed.stores.a.rows[1]).not.toHaveProperty('Rack');
  });
});

describe('a configuration that is wrong changes nothing', () => {
  const wrong: readonly [string, PipelineConfig][] = [
    ['an unknown rule', chain(filter([{ type: 'keep_it' }]), store('a'))],
    ['no such store', chain(filter([]), store('a', 'elsewhere'))],
    ['no sink', chain(filter([without(80)]))],
  ];
  test.each(wrong)('%s', async (_what, config) => {
    const bed = await started(chain(filter([without(22)]), store('a')));
    const plan = bed.pipeline.plan();
    await expect(bed.pipeline.reload(config)).rejects.toBeInstanceOf(NetobservError);
    expect(bed.pipeline.plan()).toBe(plan);
    send(bed, flows(22, 80));
    await bed.pipeline.reload(chain(filter([]), store('a')));
    send(bed, flows(22));
    await bed.pipeline.stop();
    expect(ports(bed.stores.a.rows)).toEqual([80, 22]);
  });
});

describe('sinks', () => {
  test('one that is replaced still writes the rows that it has, and the books hold', async () => {
    const bed = await started(chain(filter([]), store('out', 'a')));
    const gate = Promise.withResolvers<void>();
    bed.stores.a.gate = gate.promise;
    send(bed, flows(1, 2));
    const reloaded = bed.pipeline.reload(chain(filter([]), store('out', 'b')));
    await expect.poll(() => bed.pipeline.branches()).toMatchObject([{ in: 2, inFlight: 2 }]);
    send(bed, flows(3));
    gate.resolve();
    await reloaded;
    send(bed, flows(4));
    await bed.pipeline.stop();
    expect([ports(bed.stores.a.rows), ports(bed.stores.b.rows)]).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(bed.pipeline.branches()).toMatchObject([{ name: 'out', in: 4, written: 4 }]);
  });

  test('one that hangs is given up at the deadline, and its rows are counted as lost', async () => {
    const bed = await started(chain(filter([]), store('out', 'a')));
    const gate = Promise.withResolvers<void>();
    onTestFinished(() => gate.resolve());
    bed.stores.a.gate = gate.promise;
    send(bed, flows(1, 2));
    const reloaded = bed.pipeline.reload(chain(filter([]), store('other', 'b')));
    await expect.poll(() => bed.clock.waiting).toBeGreaterThan(0);
    send(bed, flows(3));
    await bed.clock.advance(10_000);
    await reloaded;
    await bed.pipeline.stop();
    expect(bed.pipeline.branches()).toMatchObject([
      { name: 'other', in: 1, written: 1, dropped: {} },
      { name: 'out', in: 2, written: 0, dropped: { shutdown: 2 }, inFlight: 0 },
    ]);
  });
});

describe('extractors', () => {
  const sum = { name: 'sum', extract: { type: 'sum', sum: {} } };

  test('one that stays keeps its state, whatever changes around it', async () => {
    const bed = await started(chain(filter([]), sum, store('a')));
    send(bed, flows(1, 2));
    await bed.pipeline.reload(chain(filter([without(1)]), sum, store('a')));
    send(bed, flows(1, 2, 3));
    await bed.pipeline.stop();
    expect(bed.stores.a.rows).toEqual([{ Proto: 6, Bytes: 4 }]);
  });

  test('one that goes emits what it has', async () => {
    const bed = await started(chain(filter([]), sum, store('a')));
    send(bed, flows(1, 2));
    await bed.pipeline.reload(chain(filter([]), store('a')));
    send(bed, flows(3));
    await bed.pipeline.stop();
    expect(bed.stores.a.rows).toMatchObject([{ Proto: 6, Bytes: 2 }, { DstPort: 3 }]);
  });
});

describe('metrics', () => {
  const metric = (name: string, more: object = {}) => ({
    ...{ name, type: 'counter', valueKey: 'Bytes', labels: ['Proto'] },
    ...more,
  });
  const prom = (metrics: readonly object[], more: object = {}) => ({
    name: 'prom',
    encode: { type: 'prom', prom: { prefix: 'p_', metrics, ...more } },
  });
  const samples = async ({ metrics }: TestPipeline): Promise<Record<string, number>> => {
    const all = parseSamples(await metrics.registry.metrics());
    return Object.fromEntries([...all].filter(([name]) => name.startsWith('p_')));
  };

  test('series that both configurations have continue; the others end or begin', async () => {
    const bed = await started(chain(prom([metric('kept'), metric('gone'), metric('other')])));
    send(bed, flows(1, 2));
    const onlyUdp = { filters: [{ key: 'Proto', value: '17' }] };
    const relabelled = metric('other', { labels: ['DstPort'] });
    await bed.pipeline.reload(chain(prom([metric('kept', onlyUdp), relabelled, metric('new')])));
    expect(await samples(bed)).toEqual({ 'p_kept{Proto="6"}': 2 });
    send(bed, [{ Proto: 17, Bytes: 5, DstPort: 53 }, ...flows(3)]);
    expect(await samples(bed)).toEqual({
      'p_kept{Proto="6"}': 2,
      'p_kept{Proto="17"}': 5,
      'p_other{DstPort="53"}': 5,
      'p_other{DstPort="3"}': 1,
      'p_new{Proto="17"}': 5,
      'p_new{Proto="6"}': 1,
    });
    await bed.pipeline.stop();
  });

  test('a budget has room again for the series that end, also when it changes', async () => {
    const config = (names: readonly string[], maxMetrics: number) =>
      chain(
        prom(
          names.map((name) => metric(name)),
          { maxMetrics },
        ),
      );
    const bed = await started(config(['a', 'b'], 2));
    send(bed, flows(1));
    await bed.pipeline.reload(config(['b', 'c'], 2));
    send(bed, flows(1));
    expect(await samples(bed)).toEqual({ 'p_b{Proto="6"}': 2, 'p_c{Proto="6"}': 1 });
    await bed.pipeline.reload(config(['b', 'c', 'd'], 3));
    send(bed, flows(1));
    expect(Object.keys(await samples(bed))).toContain('p_d{Proto="6"}');
    await bed.pipeline.stop();
  });

  test('a refused configuration leaves them alone', async () => {
    const bed = await started(chain(prom([metric('kept')])));
    send(bed, flows(1));
    const wrong = chain(prom([metric('kept'), metric('kept')]));
    await expect(bed.pipeline.reload(wrong)).rejects.toThrow(/there is another metric/);
    const elsewhere = chain(filter([]), prom([metric('fresh')]));
    const stores = chain(filter([]), store('a', 'nowhere'));
    const both = {
      pipeline: [...elsewhere.pipeline, { name: 'a', follows: 'filter' }],
      parameters: [...elsewhere.parameters, ...stores.parameters.slice(1)],
    };
    await expect(bed.pipeline.reload(both)).rejects.toThrow(NetobservError);
    send(bed, flows(2));
    expect(await samples(bed)).toEqual({ 'p_kept{Proto="6"}': 2 });
    await bed.pipeline.stop();
  });
});

test('any configuration after any other: flows go by that of their time, and none is lost', {
  timeout: 120_000,
}, async () => {
  const someRows = fc.array(anyRow, { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(anyTree, anyTree, someRows, someRows, async (first, second, early, late) => {
      const [before, after] = [configOf(first, undefined), configOf(second, undefined)];
      const hasState = (config: PipelineConfig) =>
        config.parameters.some(({ extract, encode }) => extract ?? encode);
      fc.pre(!hasState(before) && !hasState(after));
      const bed = await started(before);
      send(bed, early);
      await bed.pipeline.reload(after);
      send(bed, late);
      await bed.pipeline.stop();
      const [one, other] = [interpret(before, early, FILES), interpret(after, late, FILES)];
      for (const name of ['a', 'b'] as const) {
        const reached = [...rowsFor(before, one.rows, name), ...rowsFor(after, other.rows, name)];
        expect(sorted(bed.stores[name].rows)).toEqual(sorted(reached));
      }
      for (const { in: arrived, written, filtered, dropped, inFlight } of bed.pipeline.branches()) {
        expect({ dropped, inFlight }).toEqual({ dropped: {}, inFlight: 0 });
        expect(written + filtered).toBe(arrived);
      }
    }),
    { numRuns: 60 },
  );
});

function rowsFor(
  { parameters }: PipelineConfig,
  rows: ReadonlyMap<string, readonly Row[]>,
  store: string,
): readonly Row[] {
  const isInto = ({ write }: PipelineConfig['parameters'][number]) =>
    (write as { store?: { name: string } } | undefined)?.store?.name === store;
  return parameters.filter(isInto).flatMap(({ name }) => rows.get(name) ?? []);
}

function sorted(rows: readonly Row[]): readonly string[] {
  const text = (row: Row): string =>
    JSON.stringify(Object.entries(row).sort(([left], [right]) => (left < right ? -1 : 1)));
  return rows.map(text).sort();
}
