import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { createKubeMetrics } from '../../../src/kube/metrics.ts';
import { Reflector, type ReflectorLimits } from '../../../src/kube/reflector.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { type ApiObject, FakeApi } from '../../support/kube/fake-api.ts';

const PODS = '/api/v1/pods';
const FAST: Partial<ReflectorLimits> = {
  backoff: { firstMs: 10, maxMs: 40 },
  pageObjects: 10,
  silenceMs: 5000,
};

let api: FakeApi;
let metrics: Metrics;
let held: Map<string, string>;
let deletions: string[];
let replacements: number;
let stop: () => Promise<void>;

beforeEach(async () => {
  api = new FakeApi();
  await api.start();
  metrics = createMetrics('');
  held = new Map();
  deletions = [];
  replacements = 0;
  stop = () => Promise.resolve();
});

afterEach(async () => {
  await stop();
  await api.stop();
});

function pod(name: string, phase = 'Running', padding = ''): ApiObject {
  return { metadata: { uid: `uid-${name}`, name, padding }, status: { phase } };
}

interface Item {
  readonly name: string;
  readonly phase: string;
}

function slim(object: unknown): Item | undefined {
  const { metadata, status } = object as { metadata?: { name?: string }; status?: Item };
  if (metadata?.name === undefined) return undefined;
  return { name: metadata.name, phase: status?.phase ?? '' };
}

/** Follows the pods, and keeps them as a caller would. */
function follow(
  limits: Partial<ReflectorLimits> = {},
  metadataOnly = false,
  isOptional = false,
): Reflector<Item> {
  const client = new KubeClient({
    server: api.url,
    credentials: () => Promise.resolve({ headers: { authorization: 'Bearer secret' }, tls: {} }),
  });
  const reflector = new Reflector<Item>(
    { name: 'pods', path: PODS, metadataOnly, isOptional },
    {
      slim,
      replace(items) {
        replacements++;
        held = new Map(items.map(({ name, phase }) => [name, phase]));
      },
      put: ({ name, phase }) => held.set(name, phase),
      remove: ({ name }) => {
        deletions.push(name);
        held.delete(name);
      },
    },
    {
      client,
      clock: systemClock,
      log: createLog('silent'),
      metrics: createKubeMetrics(metrics),
      random: () => 0,
    },
    { ...FAST, ...limits },
  );
  const stopping = new AbortController();
  const running = reflector.run(stopping.signal);
  stop = async () => {
    stopping.abort();
    await client.close();
    await running;
  };
  return reflector;
}

async function errors(code: string): Promise<number> {
  const family = await metrics.registry.getSingleMetric('kube_errors_total')!.get();
  return family.values.find(({ labels }) => labels.code === code)?.value ?? 0;
}

const lists = () => api.requests.filter(({ isWatch }) => !isWatch);
const watches = () => api.requests.filter(({ isWatch }) => isWatch);

test('lists in pages, then follows every change', async () => {
  for (let i = 0; i < 35; i++) api.set(PODS, pod(`p${i}`));
  const reflector = follow();
  await reflector.synced;
  expect(held.size).toBe(35);
  expect(lists().map(({ query }) => query.get('limit'))).toEqual(['10', '10', '10', '10']);
  await expect.poll(() => api.watches).toBe(1);
  api.set(PODS, pod('new'));
  api.set(PODS, pod('p3', 'Succeeded'));
  api.remove(PODS, 'uid-p4');
  await expect.poll(() => deletions).toEqual(['p4']);
  expect([held.size, held.get('new'), held.get('p3')]).toEqual([35, 'Running', 'Succeeded']);
  expect(replacements).toBe(1);
  const [watch] = watches();
  expect(watch!.query.get('allowWatchBookmarks')).toBe('true');
  expect(Number(watch!.query.get('timeoutSeconds'))).toBeGreaterThanOrEqual(290);
  expect(watch!.authorization).toBe('Bearer secret');
  expect(reflector.isSynced).toBe(true);
  expect(reflector.ageMs).toBeLessThan(5000);
});

test('asks for metadata alone', async () => {
  follow({}, true);
  await expect.poll(() => api.watches).toBe(1);
  expect(lists()[0]!.accept).toBe(
    'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  );
  expect(watches()[0]!.accept).toBe('application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1');
});

test('goes on after a cut, a regular end and a bookmark, without another list', async () => {
  api.set(PODS, pod('a'));
  follow();
  await expect.poll(() => api.watches).toBe(1);
  api.set(PODS, pod('b'));
  await expect.poll(() => held.has('b')).toBe(true);
  api.cut();
  api.set(PODS, pod('c'));
  await expect.poll(() => held.has('c')).toBe(true);
  await expect.poll(() => api.watches).toBe(1);
  // Changes elsewhere make the version grow; only the bookmark says so.
  api.set('/api/v1/nodes', pod('node'));
  api.bookmark(PODS);
  api.set('/api/v1/nodes', pod('other'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  api.oldest = 104;
  api.endWatches();
  api.set(PODS, pod('d'));
  await expect.poll(() => held.has('d')).toBe(true);
  expect(lists()).toHaveLength(1);
  expect(replacements).toBe(1);
});

describe('410 Gone', () => {
  test('in a watch: a list replaces everything at once, and what vanished is gone', async () => {
    for (const name of ['a', 'b', 'c']) api.set(PODS, pod(name));
    follow();
    await expect.poll(() => api.watches).toBe(1);
    api.forget(PODS, 'uid-b');
    api.oldest = 104;
    api.cut();
    await expect.poll(() => watches().length).toBeGreaterThan(1);
    await expect.poll(() => replacements).toBeGreaterThan(1);
    expect([...held.keys()]).toEqual(['a', 'c']);
    expect(await errors('410')).toBeGreaterThan(0);
  });

  test('between the pages of a list: it begins anew, and half a list changes nothing', async () => {
    for (let i = 0; i < 25; i++) api.set(PODS, pod(`p${i}`));
    api.failNext('list', (answer) => {
      answer.end(
        JSON.stringify({ metadata: { resourceVersion: '1', continue: '1:10' }, items: [] }),
      );
    });
    api.oldest = 50;
    const reflector = follow();
    await reflector.synced;
    expect([held.size, replacements]).toEqual([25, 1]);
  });

  test('again and again: the waits between lists grow', async () => {
    api.oldest = 1_000_000;
    follow({ backoff: { firstMs: 200, maxMs: 100_000 } });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    // At 0, 0, 100, 300 and 700 ms.
    expect(lists().length).toBeLessThanOrEqual(5);
    expect(lists().length).toBeGreaterThan(2);
  });
});

test('after failures, a forgotten version is followed by a list at once', async () => {
  api.set(PODS, pod('a'));
  follow({ backoff: { firstMs: 400, maxMs: 100_000 } });
  await expect.poll(() => api.watches).toBe(1);
  for (let i = 0; i < 2; i++) api.failNext('watch', (answer) => answer.destroy());
  api.set('/api/v1/nodes', pod('node'));
  api.oldest = 102;
  const startMs = performance.now();
  api.cut();
  // The waits are 200, 400 and 800 ms; the next one would be 1600 ms.
  await expect.poll(() => lists().length).toBe(2);
  expect(performance.now() - startMs).toBeLessThan(2800);
});

describe('a resource that not every cluster has', () => {
  test.each([403, 404])('HTTP %i: it counts as one without objects', async (status) => {
    for (let i = 0; i < 2; i++) {
      api.failNext('list', (answer) => {
        answer.writeHead(status);
        answer.end();
      });
    }
    api.set(PODS, pod('a'));
    const reflector = follow({}, false, true);
    await reflector.synced;
    expect([reflector.isSynced, reflector.isCutOff, held.size]).toEqual([true, false, 0]);
    expect(reflector.problem).toContain(`HTTP ${status}`);
    // As soon as it can be read, it is.
    await expect.poll(() => held.size).toBe(1);
    expect(await errors(String(status))).toBe(2);
  });

  test('it still does when the API is away later', async () => {
    for (let i = 0; i < 100; i++) {
      api.failNext('list', (answer) => {
        answer.writeHead(403);
        answer.end();
      });
    }
    const reflector = follow({}, false, true);
    await reflector.synced;
    await api.stop();
    await expect.poll(() => reflector.problem).toContain('127.0.0.1');
    await expect.poll(() => reflector.problem).not.toContain('403');
    expect(reflector.isSynced).toBe(true);
    await api.start();
  });
});

test('429: it waits for as long as the API says', async () => {
  api.failNext('list', (answer) => {
    answer.writeHead(429, { 'retry-after': '1' });
    answer.end('too many requests');
  });
  const startMs = performance.now();
  const reflector = follow();
  await reflector.synced;
  expect(performance.now() - startMs).toBeGreaterThan(950);
  expect(await errors('429')).toBe(1);
});

test('an API that is away keeps the last state, and says so', async () => {
  api.set(PODS, pod('a'));
  const reflector = follow();
  await expect.poll(() => api.watches).toBe(1);
  const port = Number(new URL(api.url).port);
  await api.stop();
  await expect.poll(() => reflector.problem).toContain('127.0.0.1');
  expect([...held.keys()]).toEqual(['a']);
  expect([reflector.isSynced, reflector.isCutOff]).toEqual([true, true]);
  await api.start(port);
  api.set(PODS, pod('b'));
  await expect.poll(() => held.has('b')).toBe(true);
  expect(reflector.problem).toBe('');
});

test('a refusal is the reason for not being ready', async () => {
  api.failNext('list', (answer) => {
    answer.writeHead(403);
    answer.end('pods is forbidden: User "system:anonymous" cannot list resource');
  });
  const reflector = follow({ backoff: { firstMs: 60_000, maxMs: 60_000 } });
  await expect.poll(() => reflector.problem).toContain('HTTP 403');
  expect(reflector.problem).toContain('cannot list resource');
  expect(reflector.isSynced).toBe(false);
});

test('a silent watch is begun anew', async () => {
  api.set(PODS, pod('a'));
  follow({ silenceMs: 200 });
  await expect.poll(() => watches().length).toBeGreaterThan(2);
  expect(lists()).toHaveLength(1);
});

test('a watch that ends at once is not repeated in a loop', async () => {
  for (let i = 0; i < 1000; i++) api.failNext('watch', (answer) => answer.end());
  follow({ backoff: { firstMs: 200, maxMs: 100_000 } });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(watches().length).toBeLessThanOrEqual(5);
});

describe('strange answers', () => {
  test.each([
    ['no JSON', 'garbage\n'],
    ['half of an event', '{"type":"ADDED","obj\n'],
    ['an unknown type', '{"type":"RENAMED","object":{}}\n'],
    ['no object', '17\n'],
  ])('%s: the watch is begun anew where it was', async (_name, bytes) => {
    api.set(PODS, pod('a'));
    follow();
    await expect.poll(() => api.watches).toBe(1);
    api.sendRaw(PODS, bytes);
    await expect.poll(() => watches().length).toBe(2);
    api.set(PODS, pod('b'));
    await expect.poll(() => held.has('b')).toBe(true);
    expect(await errors('ERR_KUBE_ANSWER')).toBe(1);
    expect(lists()).toHaveLength(1);
  });

  test('after five of them, a list follows', async () => {
    for (let i = 0; i < 5; i++) api.failNext('watch', (answer) => answer.end('garbage\n'));
    follow();
    await expect.poll(() => lists().length).toBe(2);
    await expect.poll(() => api.watches).toBe(1);
  });

  test('an object without a name is counted, and the others stay', async () => {
    api.failNext('list', (answer) => {
      const items = [{ metadata: {} }, 7, null, pod('a')];
      answer.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items }));
    });
    const reflector = follow();
    await reflector.synced;
    expect([...held.keys()]).toEqual(['a']);
    expect(await errors('ERR_KUBE_ANSWER')).toBe(1);
  });

  test('a list that ends too early changes nothing', async () => {
    api.set(PODS, pod('a'));
    api.failNext('list', (answer) => {
      answer.end('{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"half"}},');
    });
    const reflector = follow();
    await reflector.synced;
    expect([...held.keys()]).toEqual(['a']);
  });

  test('an object above the bound is left out, in a list and in a watch', async () => {
    const big = pod('big', 'Running', 'x'.repeat(20_000));
    api.set(PODS, pod('a'));
    api.set(PODS, big);
    api.set(PODS, pod('b', 'Running', '}]{["\\'));
    const reflector = follow({ objectBytesMax: 10_000 });
    await reflector.synced;
    expect([...held.keys()]).toEqual(['a', 'b']);
    await expect.poll(() => api.watches).toBe(1);
    api.set(PODS, big);
    api.set(PODS, pod('c'));
    await expect.poll(() => held.has('c')).toBe(true);
    expect(held.has('big')).toBe(false);
    expect(await errors('ERR_KUBE_OBJECT_TOO_LARGE')).toBe(2);
    expect(watches()).toHaveLength(1);
  });

  test('objects above the number are counted and left out', async () => {
    for (let i = 0; i < 30; i++) api.set(PODS, pod(`p${i}`));
    const reflector = follow({ objectsMax: 20 });
    await reflector.synced;
    expect(held.size).toBe(20);
    const family = await metrics.registry.getSingleMetric('kube_evictions_total')!.get();
    expect(family.values).toMatchObject([{ labels: { table: 'list' }, value: 10 }]);
  });
});
