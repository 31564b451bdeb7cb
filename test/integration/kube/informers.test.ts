import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { CacheFeed, type CacheFeedConfig } from '../../../src/kube/cache/cache-feed.ts';
import { Informers, type InformersConfig } from '../../../src/kube/cache/informers.ts';
import { ClusterIndex } from '../../../src/kube/index/cluster-index.ts';
import { createKubeMetrics } from '../../../src/kube/metrics.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { kubeconfig } from '../../support/kube/enrich.ts';
import { FakeApi } from '../../support/kube/fake-api.ts';
import { holderOf } from '../../support/kube/holder.ts';
import { FlpProcessor } from '../../support/kube/k8scache-peers.ts';
import { LeaseStore } from '../../support/kube/lease-store.ts';
import { node, owner, pod, service } from '../../support/kube/objects.ts';
import { certificateFiles } from '../../support/net/certificate.ts';

const PODS = '/api/v1/pods';
const NODES = '/api/v1/nodes';
const SERVICES = '/api/v1/services';
const SETS = '/apis/apps/v1/replicasets';
const PROCESSORS = '/api/v1/namespaces/netobserv/pods';
const LEASE = 'netobserv/flp-informers-lease';
const NEEDS = {
  ...{ configPath: '', networks: [], managedCni: [], trackedKinds: [], ownerKinds: [] },
  ...{ labels: [], annotations: [] },
};

let store: LeaseStore;
let api: FakeApi;
let ends: (() => Promise<void> | void)[];
let config: Disposable & { readonly path: string };

beforeEach(async () => {
  ends = [];
  store = new LeaseStore();
  api = new FakeApi(store.answer);
  await api.start();
  config = kubeconfig({ token: 'secret' }, api.url);
  api.set(NODES, node('node-1', ['192.168.0.1'], 'eu-1'));
  api.set(SERVICES, service('web', ['10.96.0.1']));
  api.set(SETS, owner('ReplicaSet', 'web-7f', ['Deployment', 'web']));
  for (let at = 1; at <= 25; at++) {
    api.set(PODS, pod(`web-${at}`, { ips: [`10.0.0.${at}`], owner: ['ReplicaSet', 'web-7f'] }));
  }
});

afterEach(async () => {
  for (const end of ends.reverse()) await end();
  await api.stop();
  config[Symbol.dispose]();
});

/** The receiving half of a processor. */
async function processor(host: string, port = 0, tls?: CacheFeedConfig['tls']) {
  const metrics = createMetrics('');
  const deps = { log: createLog('silent'), metrics, clock: systemClock, random: Math.random };
  const index = new ClusterIndex({ clock: systemClock, metrics: createKubeMetrics(metrics) });
  const feed = new CacheFeed({ host, port, tls }, deps);
  await feed.start(index, NEEDS);
  let isOver = false;
  const stop = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    await feed.stop();
  };
  ends.push(stop);
  return {
    ...{ index, feed, stop, port: feed.port },
    text: () => metrics.registry.metrics(),
    /** Pod and owner of an address. */
    name: (address: string): string => {
      const object = holderOf(index, address);
      return object === undefined ? '' : `${object.owner?.name ?? ''}/${object.name}`;
    },
  };
}

/** Makes the pod of a processor known to the API. */
function announce(name: string, ip: string, phase = 'Running'): void {
  const facts = { namespace: 'netobserv', ips: [ip], labels: { app: 'flp' }, phase };
  api.set(PROCESSORS, pod(name, facts));
}

async function informers(
  identity: string,
  port: number,
  more: {
    readonly link?: object;
    readonly times?: object;
    readonly election?: undefined;
    readonly serviceName?: string;
    readonly resolve?: (name: string) => Promise<readonly string[]>;
  } = {},
) {
  const metrics = createMetrics('');
  const whole: InformersConfig = {
    ...{ configPath: config.path, networks: [], managedCni: [], trackedKinds: [] },
    discovery: {
      ...{ namespace: 'netobserv', selector: 'app=flp', resyncMs: 50 },
      serviceName: more.serviceName ?? '',
    },
    link: {
      ...{ port, tls: undefined, serverName: '', batchEntries: 10, bufferMessages: 100 },
      ...{ sendMs: 5000, backoff: { firstMs: 20, maxMs: 80 }, ...more.link },
    },
    election:
      'election' in more
        ? undefined
        : {
            ...{ namespace: 'netobserv', name: 'flp-informers-lease', identity },
            ...{ leaseMs: 15_000, renewMs: 10_000, retryMs: 40, ...more.times },
          },
  };
  const made = new Informers(
    whole,
    {
      ...{ log: createLog('silent'), metrics, clock: systemClock, env: {}, random: () => 0.5 },
      resolve: more.resolve ?? (() => Promise.resolve([])),
    },
    { backoff: { firstMs: 10, maxMs: 40 } },
  );
  await made.start(new AbortController().signal);
  let isOver = false;
  const stop = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    await made.stop();
  };
  ends.push(stop);
  return { made, stop, text: () => metrics.registry.metrics() };
}

describe('informers and processors', () => {
  test('every processor gets the cluster, then what changes, with names of owners', async () => {
    const one = await processor('127.0.0.1');
    const two = await processor('127.0.0.2', one.port);
    announce('flp-1', '127.0.0.1');
    announce('flp-2', '127.0.0.2');
    announce('flp-3', '127.0.0.3', 'Pending');
    expect(one.feed.state()).toEqual({ ok: false, reason: 'informers never came (k8scache)' });
    const { made, text } = await informers('a', one.port);
    await Promise.all([one.feed.synced, two.feed.synced]);
    for (const { name, feed } of [one, two]) {
      expect(name('10.0.0.25')).toBe('web/web-25');
      expect(name('10.96.0.1')).toBe('/web');
      expect(name('192.168.0.1')).toBe('/node-1');
      expect(feed.state()).toEqual({ ok: true });
    }
    api.set(PODS, pod('db-0', { ips: ['10.0.1.1'] }));
    api.remove(PODS, 'uid-web-1');
    api.set(PODS, pod('web-2', { ips: [], owner: ['ReplicaSet', 'web-7f'] }));
    await expect.poll(() => two.name('10.0.1.1')).toBe('/db-0');
    await expect.poll(() => two.name('10.0.0.1')).toBe('');
    await expect.poll(() => two.name('10.0.0.2')).toBe('');
    expect(made.status()).toMatchObject({ leader: true, holder: 'a', objects: 27 });
    expect(made.status().processors.map(({ state }) => state)).toEqual(['current', 'current']);
    expect(await text()).toMatch(/flp_informers_connected_processors 2\n/);
    expect(await text()).toMatch(/flp_informers_is_leader 1\n/);
    const lists = api.requests.filter(({ path, isWatch }) => path === PODS && !isWatch);
    expect(lists).toHaveLength(1);
    const looked = api.requests.filter(({ path }) => path === PROCESSORS);
    expect(new Set(looked.map(({ query }) => query.get('labelSelector')))).toEqual(
      new Set(['app=flp']),
    );
  });

  test('an update without news is not sent', async () => {
    const one = await processor('127.0.0.1');
    announce('flp-1', '127.0.0.1');
    await informers('a', one.port);
    await one.feed.synced;
    for (let at = 0; at < 10; at++) api.set(NODES, node('node-1', ['192.168.0.1'], 'eu-1'));
    api.set(NODES, node('node-2', ['192.168.0.2']));
    await expect.poll(() => one.name('192.168.0.2')).toBe('/node-2');
    expect(await one.text()).not.toContain('kube_cache_updates_total{operation="UPDATE"}');
  });

  test('a processor that is killed and comes back gets a snapshot', async () => {
    const first = await processor('127.0.0.1');
    announce('flp-1', '127.0.0.1');
    const { made, text } = await informers('a', first.port);
    await expect.poll(() => made.status().processors[0]?.state).toBe('current');
    await first.stop();
    await expect.poll(text).toMatch(/processor_connections_total\{event="disconnected"\} 1\n/);
    api.remove(PODS, 'uid-web-3');
    const second = await processor('127.0.0.1', first.port);
    await second.feed.synced;
    expect([second.name('10.0.0.3'), second.name('10.0.0.4')]).toEqual(['', 'web/web-4']);
    await expect.poll(text).toMatch(/processor_connections_total\{event="reconnected"\} 1\n/);
    await expect.poll(() => made.status().processors[0]?.state).toBe('current');
    expect(await text()).toMatch(/flp_informers_connected_processors 1\n/);
    expect(await text()).toMatch(/flp_informers_snapshots_sent_total 2\n/);
  });

  test('a processor whose pod is gone is left alone', async () => {
    const one = await processor('127.0.0.1');
    announce('flp-1', '127.0.0.1');
    const { made } = await informers('a', one.port);
    await one.feed.synced;
    api.remove(PROCESSORS, 'uid-flp-1');
    await expect.poll(() => made.status().processors).toEqual([]);
    await expect
      .poll(() => one.feed.state())
      .toMatchObject({
        ok: true,
        note: expect.stringMatching(/^informers have been away for 0 s/),
      });
    expect(one.name('10.0.0.5')).toBe('web/web-5');
  });
});

describe('TLS', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'netobserv-informers-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const files = (name: string) => certificateFiles(folder, name);

  test('both show certificates; a processor with another one gets nothing', async () => {
    const [own, client] = [files('own'), files('client')];
    const clientCaPath = client.certPath;
    const one = await processor('127.0.0.1', 0, { ...own, clientCaPath });
    // Its certificate is for 127.0.0.1, and not of the authority.
    const fake = await processor('127.0.0.2', one.port, { ...files('fake'), clientCaPath });
    announce('flp-1', '127.0.0.1');
    announce('flp-2', '127.0.0.2');
    const tls = { caPath: own.certPath, ...client };
    const { made } = await informers('a', one.port, { link: { tls } });
    await one.feed.synced;
    expect(one.name('10.0.0.5')).toBe('web/web-5');
    await expect
      .poll(() => made.status().processors.find(({ address }) => address === '127.0.0.2'))
      .toMatchObject({ problem: expect.stringMatching(/UNAVAILABLE.*self-signed certificate/) });
    expect(fake.feed.state()).toMatchObject({ ok: false });
  });

  test('processors by address, with one name in their certificates', async () => {
    const own = files('own');
    const one = await processor('127.0.0.3', 0, own);
    announce('flp-1', '127.0.0.3');
    const tls = { caPath: own.certPath };
    // The certificate names 127.0.0.1 and nothing else.
    const wrong = await informers('a', one.port, { election: undefined, link: { tls } });
    await expect
      .poll(() => wrong.made.status().processors[0]?.problem)
      .toMatch(/does not match certificate's altnames/);
    await wrong.stop();
    const link = { tls, serverName: '127.0.0.1' };
    await informers('b', one.port, { election: undefined, link });
    await one.feed.synced;
  });
});

test('processors of a headless service; those found before stay while it cannot be resolved', async () => {
  const one = await processor('127.0.0.1');
  const two = await processor('127.0.0.2', one.port);
  const asked = new Set<string>();
  let answer: readonly string[] | undefined = ['127.0.0.1'];
  const resolve = async (name: string): Promise<readonly string[]> => {
    asked.add(name);
    if (answer === undefined) throw new Error('SERVFAIL');
    return answer;
  };
  const { made, text } = await informers('a', one.port, { serviceName: 'flp', resolve });
  await one.feed.synced;
  expect([...asked]).toEqual(['flp.netobserv.svc']);
  answer = undefined;
  await expect.poll(text).toMatch(/flp_informers_errors_total\{error_type="discovery"\} [2-9]/);
  expect(made.status().processors[0]).toMatchObject({ address: '127.0.0.1', state: 'current' });
  expect(made.state()).toMatchObject({ ok: true, note: expect.stringContaining('SERVFAIL') });
  answer = ['127.0.0.2'];
  await two.feed.synced;
  expect(made.status().processors.map(({ address }) => address)).toEqual(['127.0.0.2']);
  expect(api.requests.filter(({ path }) => path === PROCESSORS)).toEqual([]);
});

describe('of two informers, one works', () => {
  test('the other one takes over: what changed meanwhile is put right', async () => {
    const one = await processor('127.0.0.1');
    announce('flp-1', '127.0.0.1');
    const a = await informers('a', one.port);
    await one.feed.synced;
    const b = await informers('b', one.port);
    await expect.poll(() => b.made.state()).toEqual({ ok: true, note: 'the leader is a' });
    expect(b.made.status()).toMatchObject({ leader: false, objects: 0, processors: [] });
    await a.stop();
    api.forget(PODS, 'uid-web-7');
    await expect.poll(() => b.made.status().leader).toBe(true);
    await expect.poll(() => one.name('10.0.0.7')).toBe('');
    expect(one.name('10.0.0.8')).toBe('web/web-8');
    expect(store.holder(LEASE)).toBe('b');
  });

  test('the one that lost the lease becomes the leader again', async () => {
    const one = await processor('127.0.0.1');
    announce('flp-1', '127.0.0.1');
    const a = await informers('a', one.port, { times: { leaseMs: 900, renewMs: 600 } });
    await one.feed.synced;
    store.cutOff.add('a');
    await expect.poll(() => a.made.status().leader).toBe(false);
    await expect.poll(() => one.feed.state()).toMatchObject({ note: expect.any(String) });
    expect(await a.text()).toMatch(/flp_informers_is_leader 0\n/);
    api.set(PODS, pod('late', { ips: ['10.0.2.1'] }));
    store.cutOff.clear();
    await expect.poll(() => one.name('10.0.2.1')).toBe('/late');
    expect(one.feed.state()).toEqual({ ok: true });
  });

  test('without an election: the processor believes the last one, the others are refused', async () => {
    const one = await processor('127.0.0.1');
    announce('flp-1', '127.0.0.1');
    const slowly = { election: undefined, link: { backoff: { firstMs: 20, maxMs: 600_000 } } };
    const a = await informers('a', one.port, slowly);
    await one.feed.synced;
    const b = await informers('b', one.port, slowly);
    await expect.poll(() => b.made.status().processors[0]?.state).toBe('current');
    api.set(PODS, pod('late', { ips: ['10.0.2.1'] }));
    await expect.poll(() => one.name('10.0.2.1')).toBe('/late');
    await expect
      .poll(() => a.made.status().processors[0])
      .toMatchObject({ state: 'waiting', problem: expect.stringContaining('taken over') });
    expect(b.made.status().processors[0]).toMatchObject({ state: 'current', problem: '' });
  });
});

describe('with a processor of another make', () => {
  test('a snapshot in parts, then changes, as it expects them', async () => {
    await using other = await FlpProcessor.start('127.0.0.1');
    announce('flp-1', '127.0.0.1');
    const { made } = await informers('a', other.port);
    await expect.poll(() => made.status().processors[0]?.state).toBe('current');
    expect(other.names()).toHaveLength(27);
    const [first, ...rest] = other.updates;
    expect(first).toMatchObject({ version: 1, is_snapshot: true });
    expect(rest.filter((update) => update.is_snapshot === true)).toEqual([]);
    expect(other.updates.map(({ version }) => version)).toEqual([1, 2, 3, 4]);
    expect(other.entry('Pod/shop/web-9')).toMatchObject({
      ...{ uid: 'uid-web-9', ips: ['10.0.0.9'], owner_kind: 'Deployment', owner_name: 'web' },
      ...{ host_ip: '192.168.0.1', host_name: 'node-1' },
    });
    api.remove(PODS, 'uid-web-9');
    await expect.poll(() => other.entry('Pod/shop/web-9')).toBeUndefined();
  });

  test('a slow one costs bounded memory, and gets a new snapshot', async () => {
    await using other = await FlpProcessor.start('127.0.0.1');
    announce('flp-1', '127.0.0.1');
    const link = { batchEntries: 10, bufferMessages: 2, sendMs: 60_000 };
    const { made, text } = await informers('a', other.port, { link });
    await expect.poll(() => made.status().processors[0]?.state).toBe('current');
    other.pause();
    let pendingMax = 0;
    for (let at = 0; at < 400; at++) {
      api.set(PODS, pod(`burst-${at}`, { ips: [`10.1.${at >> 8}.${at & 255}`] }));
    }
    await expect
      .poll(() => {
        const [link] = made.status().processors;
        pendingMax = Math.max(pendingMax, link!.pending);
        return made.status().objects;
      })
      .toBe(427);
    expect(pendingMax).toBeLessThanOrEqual(20);
    other.resume();
    await expect.poll(() => other.names().length).toBe(427);
    expect(await text()).toMatch(/flp_informers_outbox_overflows_total [1-9]/);
    expect(other.updates.filter(({ is_snapshot }) => is_snapshot === true).length).toBeGreaterThan(
      1,
    );
  });

  test('one that takes nothing for too long is connected anew', async () => {
    await using other = await FlpProcessor.start('127.0.0.1');
    other.pause();
    announce('flp-1', '127.0.0.1');
    const { made } = await informers('a', other.port, { link: { sendMs: 200 } });
    await expect
      .poll(() => made.status().processors[0]?.problem)
      .toMatch(/^processor 127\.0\.0\.1: it acknowledges nothing for 0 s|takes nothing/);
    other.resume();
    await expect.poll(() => made.status().processors[0]?.state).toBe('current');
    expect(other.streams).toBeGreaterThan(1);
  });

  test('one that refuses a message gets a snapshot later', async () => {
    await using other = await FlpProcessor.start('127.0.0.1');
    other.refuseNext = 'store is full';
    announce('flp-1', '127.0.0.1');
    const { made } = await informers('a', other.port);
    await expect
      .poll(() => made.status().processors[0]?.problem)
      .toBe('processor 127.0.0.1: it refuses message 1: store is full');
    await expect.poll(() => made.status().processors[0]?.state).toBe('current');
  });
});
