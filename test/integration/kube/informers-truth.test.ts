import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { CacheFeed } from '../../../src/kube/cache/cache-feed.ts';
import { Informers } from '../../../src/kube/cache/informers.ts';
import { ClusterIndex } from '../../../src/kube/index/cluster-index.ts';
import { createKubeMetrics } from '../../../src/kube/metrics.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { kubeconfig } from '../../support/kube/enrich.ts';
import { FakeApi } from '../../support/kube/fake-api.ts';
import { holderOf } from '../../support/kube/holder.ts';
import { pod } from '../../support/kube/objects.ts';

const PODS = '/api/v1/pods';
const PROCESSORS = '/api/v1/namespaces/observe/pods';
const HOSTS = ['127.0.0.1', '127.0.0.2'] as const;
const ADDRESSES = 12;
const NAMES = 20;
const STEPS = 400;
const NEEDS = {
  ...{ configPath: '', networks: [], managedCni: [], trackedKinds: [], ownerKinds: [] },
  ...{ labels: [], annotations: [] },
};

/** A sequence that looks random, and is the same for the same seed (Park and Miller). */
function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

/** The receiving half of a processor, which can be started again, without its memory. */
class Receiver {
  readonly #host: string;
  index: ClusterIndex | undefined;
  #feed: CacheFeed | undefined;

  constructor(host: string) {
    this.#host = host;
  }

  async start(port: number): Promise<number> {
    const metrics = createMetrics('');
    const deps = { log: createLog('silent'), metrics, clock: systemClock, random: Math.random };
    this.index = new ClusterIndex({ clock: systemClock, metrics: createKubeMetrics(metrics) });
    this.#feed = new CacheFeed({ host: this.#host, port, tls: undefined }, deps);
    await this.#feed.start(this.index, NEEDS);
    return this.#feed.port;
  }

  async stop(): Promise<void> {
    await this.#feed?.stop();
  }
}

/** Pods that exist, by name: who has which address, or none. */
class Model {
  readonly pods = new Map<string, { readonly uid: string; readonly address: number }>();
  readonly #api: FakeApi;
  readonly #random: (below: number) => number;
  #made = 0;

  constructor(api: FakeApi, random: (below: number) => number) {
    this.#api = api;
    this.#random = random;
  }

  step(): void {
    const name = `pod-${this.#random(NAMES)}`;
    const known = this.pods.get(name);
    const address = this.#free();
    if (known === undefined) this.#set(name, `u-${this.#made++}`, address);
    else if (this.#random(3) === 0) this.#set(name, known.uid, -1);
    else if (this.#random(2) === 0) this.#set(name, known.uid, address);
    else {
      this.pods.delete(name);
      this.#api.remove(PODS, known.uid);
    }
  }

  /** The name for each address; empty: nobody has it. */
  holders(): readonly string[] {
    const holders = Array.from({ length: ADDRESSES }, () => '');
    for (const [name, { address }] of this.pods) if (address >= 0) holders[address] = name;
    return holders;
  }

  #free(): number {
    const holders = this.holders();
    const address = this.#random(ADDRESSES);
    return holders[address] === '' ? address : -1;
  }

  #set(name: string, uid: string, address: number): void {
    this.pods.set(name, { uid, address });
    const ips = address < 0 ? [] : [`10.0.0.${address}`];
    this.#api.set(PODS, pod(name, { uid, ips, startMs: Date.now() - 60_000 }));
  }
}

function holdersIn(index: ClusterIndex): readonly string[] {
  return Array.from({ length: ADDRESSES }, (_, at) => holderOf(index, `10.0.0.${at}`)?.name ?? '');
}

test.each([1, 7, 99])('seed %i: in the end, every processor knows what is true', async (seed) => {
  const random = sequence(seed);
  const api = new FakeApi();
  await api.start();
  const config = kubeconfig({ token: 'secret' }, api.url);
  const model = new Model(api, random);
  const receivers = HOSTS.map((host) => new Receiver(host));
  const port = await receivers[0]!.start(0);
  await receivers[1]!.start(port);
  for (const ip of HOSTS) api.set(PROCESSORS, pod(`p-${ip}`, { ips: [ip] }));
  const metrics = createMetrics('');
  const informers = new Informers(
    {
      ...{ configPath: config.path, networks: [], managedCni: [], trackedKinds: [] },
      discovery: { namespace: 'observe', selector: 'a=b', serviceName: '', resyncMs: 1000 },
      link: {
        // Buffers that overflow often.
        ...{ port, tls: undefined, serverName: '', batchEntries: 2, bufferMessages: 2 },
        ...{ sendMs: 10_000, backoff: { firstMs: 5, maxMs: 20 } },
      },
      election: undefined,
    },
    {
      ...{ log: createLog('silent'), metrics, clock: systemClock, env: {}, random: () => 0.5 },
      resolve: () => Promise.resolve([]),
    },
    { backoff: { firstMs: 5, maxMs: 20 } },
  );
  onTestFinished(async () => {
    await informers.stop();
    for (const one of receivers) await one.stop();
    await api.stop();
    config[Symbol.dispose]();
  });
  await informers.start(new AbortController().signal);
  for (let step = 0; step < STEPS; step++) {
    model.step();
    if (random(4) === 0) await new Promise((resolve) => setImmediate(resolve));
    if (random(60) === 0) api.cut();
    if (random(80) === 0) {
      const one = receivers[random(2)]!;
      await one.stop();
      await one.start(port);
    }
  }
  for (const { index } of receivers) {
    await expect.poll(() => holdersIn(index!)).toEqual(model.holders());
  }
  expect(model.holders().filter((name) => name !== '').length).toBeGreaterThan(2);
  expect(await metrics.registry.metrics()).toMatch(/outbox_overflows_total [1-9]/);
});
