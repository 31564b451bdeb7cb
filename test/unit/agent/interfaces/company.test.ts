import { beforeEach, expect, test } from 'vitest';
import { Company } from '../../../../src/agent/interfaces/company.ts';
import type { BpfObject } from '../../../../src/agent/loader/native.ts';
import { createAgentMetrics } from '../../../../src/agent/metrics.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';

let switched: number[];
let metrics: ReturnType<typeof createMetrics>;
let refusal: string | undefined;
let company: Company;
const [HERE, THERE] = [{}, {}];

beforeEach(() => {
  switched = [];
  refusal = undefined;
  metrics = createMetrics('');
  company = new Company({
    native: {
      updateMap(_object, map, _key, value) {
        expect(map).toBe('.data.marks');
        if (refusal !== undefined) throw Object.assign(new Error(refusal), { code: refusal });
        switched.push(value[0]!);
      },
    },
    object: {} as BpfObject,
    log: createLog('silent'),
    metrics: createAgentMetrics(metrics, 'info'),
  });
});

async function gauge(name: string): Promise<string | undefined> {
  return (await metrics.registry.getSingleMetricAsString(name)).trim().split(' ').at(-1);
}

test('marks are off until somebody has looked, and on while nobody else is there', async () => {
  expect(switched).toEqual([]);
  company.found(HERE, 1, 'eth0', []);
  company.found(HERE, 2, 'eth1', []);
  expect(switched).toEqual([1]);
  expect(await gauge('packet_marks')).toBe('1');
  expect(company.describe()).toBeUndefined();
});

test('one stranger anywhere puts them off, and the last that goes puts them on', async () => {
  company.found(HERE, 1, 'eth0', []);
  company.found(HERE, 2, 'eth1', ['TCX program #7 at ingress']);
  company.found(THERE, 1, 'eth0', ['TC filter u32 at egress']);
  expect(switched).toEqual([1, 0]);
  expect(await gauge('foreign_programs')).toBe('2');
  expect(company.describe()).toContain('eth1: TCX program #7 at ingress, eth0: TC filter u32');
  company.found(HERE, 2, 'eth1', []);
  expect(switched).toEqual([1, 0]);
  // Its namespace is no longer watched.
  company.forget(THERE);
  expect(switched).toEqual([1, 0, 1]);
  expect(await gauge('foreign_programs')).toBe('0');
});

test('an interface that goes takes its strangers along', () => {
  company.found(HERE, 1, 'eth0', ['TC filter u32 at egress']);
  company.forget(HERE, 1);
  expect(switched).toEqual([0, 1]);
});

test('maps of another loader have no such switch: there are no marks', () => {
  refusal = 'ENOENT';
  company.found(HERE, 1, 'eth0', []);
  company.forget(HERE);
  expect(switched).toEqual([]);
});
