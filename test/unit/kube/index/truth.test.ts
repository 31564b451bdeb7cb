import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MISSING, TableSpace } from '../../../../src/flow/intern.ts';
import { TimedMemo } from '../../../../src/flow/timed-memo.ts';
import { ClusterIndex } from '../../../../src/kube/index/cluster-index.ts';
import { Slimmer } from '../../../../src/kube/index/slim.ts';
import { createKubeMetrics } from '../../../../src/kube/metrics.ts';
import type { KubeColumn } from '../../../../src/pipeline/transform/network/kubernetes-columns.ts';
import { FactColumn } from '../../../../src/pipeline/transform/network/kubernetes-fact-column.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { pod } from '../../../support/kube/objects.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

/**
 * A cluster as it truly is: an address belongs to one pod at a time. The index sees it through an
 * API that gives times in whole seconds, and changes late and out of order.
 */
interface Tenancy {
  readonly name: string;
  readonly address: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** When the pod itself began, before it had a network. */
  readonly startMs: number;
  readonly isExact: boolean;
  readonly end: 'removed' | 'succeeded' | 'not listed any more';
  readonly seenFromMs: number;
  readonly seenToMs: number;
}

const START_MS = Date.UTC(2026, 4, 1);
const LAG_MAX_MS = 4000;
const STEP_MS = 1000;

const stay = fc.record({
  address: fc.integer({ min: 1, max: 3 }),
  idleMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3000 })),
  lastsMs: fc.integer({ min: 1, max: 40_000 }),
  startsEarlierMs: fc.integer({ min: 0, max: 3000 }),
  isExact: fc.boolean(),
  end: fc.constantFrom('removed', 'succeeded', 'not listed any more'),
  lagMs: fc.integer({ min: 0, max: LAG_MAX_MS }),
  endLagMs: fc.integer({ min: 0, max: LAG_MAX_MS }),
} as const);

type Stay = typeof stay extends fc.Arbitrary<infer One> ? One : never;

function tenancies(stays: readonly Stay[]): readonly Tenancy[] {
  const freeMs = new Map<number, number>();
  return stays.map((one, number) => {
    const fromMs = (freeMs.get(one.address) ?? START_MS) + one.idleMs;
    const toMs = fromMs + one.lastsMs;
    freeMs.set(one.address, toMs);
    const seenFromMs = fromMs + one.lagMs;
    return {
      name: `pod-${number}`,
      address: `10.0.0.${one.address}`,
      ...{ fromMs, toMs, seenFromMs },
      startMs: fromMs - one.startsEarlierMs,
      isExact: one.isExact,
      end: one.end,
      seenToMs: Math.max(seenFromMs, toMs + one.endLagMs),
    };
  });
}

/** `look`: called after each event. */
function seen(
  truth: readonly Tenancy[],
  look: (index: ClusterIndex) => void = () => undefined,
): ClusterIndex {
  const clock = new ManualClock(START_MS);
  const metrics = createKubeMetrics(createMetrics(''));
  const index = new ClusterIndex({ clock, metrics });
  const needs = { configPath: '', networks: [], managedCni: [], trackedKinds: [] };
  const slimmer = new Slimmer({ ...needs, labels: [], annotations: [] });
  const events = truth.flatMap((one) => {
    const facts = {
      ips: [one.address],
      startMs: one.startMs,
      ...(one.isExact ? { readyMs: one.fromMs } : {}),
    };
    const alive = slimmer.pod(pod(one.name, facts))!;
    const over = pod(one.name, { ...facts, phase: 'Succeeded', finishedMs: one.toMs });
    const end = (): void => {
      if (one.end === 'removed') index.remove(alive);
      if (one.end === 'succeeded') index.put(slimmer.pod(over)!);
      if (one.end !== 'not listed any more') return;
      const others = truth
        .filter(({ name, seenFromMs, seenToMs }) => {
          return name !== one.name && seenFromMs <= clock.now && seenToMs > clock.now;
        })
        .map(({ name, ...other }) => {
          const ready = other.isExact ? { readyMs: other.fromMs } : {};
          const { address, startMs } = other;
          return slimmer.pod(pod(name, { ips: [address], startMs, ...ready }))!;
        });
      index.reflection('Pod', (object) => slimmer.pod(object)).replace(others);
    };
    return [
      { timeMs: one.seenFromMs, run: () => index.put(alive) },
      { timeMs: one.seenToMs, run: end },
    ];
  });
  for (const { timeMs, run } of events.toSorted((a, b) => a.timeMs - b.timeMs)) {
    clock.now = timeMs;
    run();
    look(index);
  }
  return index;
}

const NAME: KubeColumn = {
  name: 'Name',
  kind: 'str',
  isHost: false,
  value: ({ object }) => object.name,
};

/** Names as flows of these addresses and times get them. */
class Names {
  readonly #memo = new TimedMemo();
  readonly #tables = new TableSpace().current;
  #column: FactColumn | undefined;

  of(index: ClusterIndex, rows: readonly (readonly [address: string, timeMs: number])[]) {
    const { addresses, strings } = this.#tables;
    const facts = Uint32Array.from(rows, ([address]) => addresses.internText(address));
    const times = Float64Array.from(rows, ([, timeMs]) => timeMs);
    this.#memo.fill(rows.length, facts, times, this.#tables, index, facts);
    this.#column ??= new FactColumn(NAME, index, new Set());
    const names = new Uint32Array(rows.length);
    this.#column.fill(rows.length, facts, this.#tables, names);
    return [...names].map((id) => strings.text(id));
  }
}

test('names that were looked up before a change are as right after it as new ones', () => {
  fc.assert(
    fc.property(fc.array(stay, { minLength: 1, maxLength: 8 }), (stays) => {
      const truth = tenancies(stays);
      const rows = truth.flatMap(({ address, fromMs, toMs }) =>
        [fromMs, toMs, toMs + STEP_MS].map((timeMs) => [address, timeMs] as const),
      );
      const names = new Names();
      seen(truth, (index) => {
        expect(names.of(index, rows)).toEqual(new Names().of(index, rows));
        index.sweep();
        expect(names.of(index, rows)).toEqual(new Names().of(index, rows));
      });
    }),
  );
});

test('a flow never gets the name of another pod that had its address, and gets its own', () => {
  fc.assert(
    fc.property(fc.array(stay, { minLength: 1, maxLength: 14 }), (stays) => {
      const truth = tenancies(stays);
      const index = seen(truth);
      const tables = new TableSpace().current;
      const memo = new TimedMemo();
      const times = truth.flatMap(({ fromMs, toMs }) =>
        [fromMs - 1, fromMs, (fromMs + toMs) / 2, toMs - 1, toMs, toMs + STEP_MS].map(Math.floor),
      );
      for (const address of new Set(truth.map((one) => one.address))) {
        const ids = new Uint32Array(times.length).fill(tables.addresses.internText(address));
        const facts = new Uint32Array(times.length).fill(MISSING);
        memo.fill(times.length, ids, Float64Array.from(times), tables, index, facts);
        for (const [row, timeMs] of times.entries()) {
          const name = index.named(facts[row]!)?.object.name;
          const owner = truth.find(
            (one) => one.address === address && one.fromMs <= timeMs && timeMs < one.toMs,
          );
          // While nobody has the address, no flow begins there.
          if (owner === undefined) continue;
          if (name !== undefined) expect(name).toBe(owner.name);
          const isClear =
            timeMs >= owner.fromMs + LAG_MAX_MS + STEP_MS && timeMs < owner.toMs - 2 * LAG_MAX_MS;
          if (isClear) expect(name).toBe(owner.name);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test('the first owner of an address has it from its start on', () => {
  fc.assert(
    fc.property(stay, (one) => {
      const [only] = tenancies([one]);
      const index = seen([only!]);
      let first = Number.NaN;
      index.findKey(only!.address, {
        add(fromMs) {
          first = Number.isNaN(first) ? fromMs : first;
        },
      });
      expect(first).toBeLessThanOrEqual(only!.fromMs);
    }),
  );
});
