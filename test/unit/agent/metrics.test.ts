import { expect, test } from 'vitest';
import type { HookTarget } from '../../../src/agent/loader/hooks.ts';
import { declareMetrics } from '../../../src/agent/metrics.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const MINUTE_MS = 60_000;

function interfaceEvents() {
  const metrics = createMetrics('');
  const clock = new ManualClock();
  const { interfaceEvent } = declareMetrics(metrics, 'trace!', clock);
  return {
    clock,
    event(index: number): void {
      const name = `veth${index}`;
      const target: HookTarget = {
        ...{ netns: undefined, namespace: '', index, name, mac: '', framing: 'l2' },
      };
      interfaceEvent('attach_tcx', target, 0);
    },
    async seen(): Promise<readonly string[]> {
      const text = await metrics.registry.getSingleMetricAsString('interface_events_total');
      return [...text.matchAll(/ifname="(\w+)".* (\d+)$/gm)].map(([, name, value]) => {
        return `${name} ${value}`;
      });
    },
  };
}

test('trace!: an interface of which nothing was heard for five minutes has no series', async () => {
  const { clock, event, seen } = interfaceEvents();
  event(1);
  event(2);
  clock.jump(3 * MINUTE_MS);
  event(1);
  clock.jump(2 * MINUTE_MS - 1);
  expect(await seen()).toEqual(['veth1 2', 'veth2 1']);
  clock.jump(1);
  expect(await seen()).toEqual(['veth1 2']);
  clock.jump(3 * MINUTE_MS);
  expect(await seen()).toEqual([]);
  event(1);
  expect(await seen()).toEqual(['veth1 1']);
});

test('trace!: interfaces that come faster than they expire are bounded', async () => {
  const { event, seen } = interfaceEvents();
  for (let index = 0; index < 5000; index++) event(index);
  const names = await seen();
  expect(names).toHaveLength(4096);
  expect(names.at(-1)).toBe('veth4999 1');
});
