import { expect, test } from 'vitest';
import { hookFact } from '../../../../src/agent/drain/layout.gen.ts';
import {
  type FactsSpace,
  HookFacts,
  type HookFactsDeps,
} from '../../../../src/agent/interfaces/hook-facts.ts';
import type { Link } from '../../../../src/agent/interfaces/link.ts';
import type { BpfObject } from '../../../../src/agent/loader/native.ts';
import { createAgentMetrics } from '../../../../src/agent/metrics.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const BOTH = hookFact.ingress | hookFact.bornIngress | hookFact.bornEgress;
/** Duration of one look at all interfaces. */
const WORK_MS = 5;
const TUNNEL = hookFact.ingress | hookFact.bornEgress;

/** The map, as text: namespace/interface → facts. */
class FactsMap {
  readonly entries = new Map<string, number>();
  refuses = false;

  updateMap = (_object: BpfObject, _map: string, key: Uint8Array, value: Uint8Array): void => {
    if (this.refuses) throw Object.assign(new Error('E2BIG'), { code: 'E2BIG' });
    this.entries.set(this.#text(key), new DataView(value.buffer).getUint32(0, true));
  };

  removeEntries = async (_object: BpfObject, _map: string, keys: Uint8Array): Promise<number> => {
    for (let at = 0; at < keys.length; at += 8) {
      this.entries.delete(this.#text(keys.subarray(at, at + 8)));
    }
    return keys.length / 8;
  };

  namespaceId = (): number => -1;

  #text(key: Uint8Array): string {
    const view = new DataView(key.buffer, key.byteOffset);
    return `${view.getUint32(0, true)}/${view.getUint32(4, true)}`;
  }
}

function space(id: number, links: Record<number, string>): FactsSpace & { hooked: Set<number> } {
  const rest = {
    name: '',
    type: 1,
    up: true,
    mac: '',
    addresses: [],
    peer: -1,
    link: 0,
    master: 0,
  };
  const all = Object.entries(links).map(([index, driver]): [number, Link] => [
    Number(index),
    { ...rest, index: Number(index), driver },
  ]);
  const hooked = new Set(all.map(([index]) => index));
  return {
    netns: id,
    fd: id,
    space: id,
    hooked,
    links: new Map(all),
    hooksOf: (index) => (hooked.has(index) ? { ingress: true, egress: true } : undefined),
  };
}

function factsOf(map: FactsMap, exact: boolean, clock: HookFactsDeps['clock'] = new ManualClock()) {
  const metrics = createMetrics('');
  const facts = new HookFacts({
    native: map,
    object: {} as BpfObject,
    clock,
    exact,
    readsTunnels: true,
    log: createLog('silent'),
    metrics: createAgentMetrics(metrics, 'info'),
  });
  return { facts, metrics };
}

test('what is known is written by namespace and number, and goes with its hook', async () => {
  const map = new FactsMap();
  const { facts } = factsOf(map, true);
  const [one, other] = [space(5, { 2: '', 3: 'vxlan' }), space(6, { 2: 'tun' })];
  facts.add(one);
  facts.add(other);
  await facts.changed();
  const wanted = { '5/0': 0, '5/2': BOTH, '5/3': TUNNEL, '6/0': 0, '6/2': BOTH };
  expect(Object.fromEntries(map.entries)).toEqual(wanted);
  one.hooked.delete(3);
  await facts.changed();
  facts.remove(other);
  await facts.changed();
  expect(Object.fromEntries(map.entries)).toEqual({ '5/0': 0, '5/2': BOTH });
});

test('where hooks do not know their namespace, what holds for all of a number is written', async () => {
  const map = new FactsMap();
  const { facts } = factsOf(map, false);
  facts.add(space(5, { 2: '', 3: '' }));
  facts.add(space(6, { 2: 'vxlan' }));
  await facts.changed();
  expect(Object.fromEntries(map.entries)).toEqual({ '0/0': 0, '0/2': TUNNEL, '0/3': BOTH });
});

test('a map that takes no more is counted, and gets it when it does', async () => {
  const map = new FactsMap();
  const { facts, metrics } = factsOf(map, true);
  map.refuses = true;
  facts.add(space(5, { 2: '' }));
  await facts.changed();
  const errors = await metrics.registry.getSingleMetricAsString('errors_total');
  expect(errors).toMatch(/HookFacts:CantWrite.* 2$/m);
  map.refuses = false;
  await facts.changed();
  expect(Object.fromEntries(map.entries)).toEqual({ '5/0': 0, '5/2': BOTH });
});

test('a change that comes after the end is no error', async () => {
  const map = new FactsMap();
  const { facts, metrics } = factsOf(map, true);
  const one = space(5, { 2: '', 3: '' });
  facts.add(one);
  await facts.changed();
  // Like the addon, refuses a closed object at once, not by a promise.
  map.updateMap = map.removeEntries = (): never => {
    throw Object.assign(new Error('use of a closed object'), { code: 'EBADF' });
  };
  one.hooked.delete(3);
  await facts.changed();
  facts.remove(one);
  await facts.changed();
  const errors = await metrics.registry.getSingleMetricAsString('errors_total');
  expect(errors).not.toContain('HookFacts');
});

test('working it out takes no more than a tenth of the time, however often things change', async () => {
  const clock = new ManualClock();
  let worked = 0;
  const busy = space(5, { 2: '' });
  const { facts } = factsOf(new FactsMap(), true, clock);
  facts.add({
    ...busy,
    hooksOf(index) {
      worked++;
      clock.jump(WORK_MS);
      return busy.hooksOf(index);
    },
  });
  for (let at = 0; at < 1000; at++) {
    void facts.changed();
    await clock.advance(1);
  }
  expect(worked).toBeGreaterThan(10);
  // The first one does not wait.
  expect(clock.monotonicMs() / (worked - 1)).toBeGreaterThanOrEqual(10 * WORK_MS);
});
