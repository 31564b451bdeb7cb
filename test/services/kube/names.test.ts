import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { Cluster } from '../../../src/kube/cluster.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { FaultyProxy } from '../../support/net/faulty-proxy.ts';
import { ControlPlane, PROCESSOR } from './control-plane.ts';
import { Processor, type Row } from './processor.ts';
import { nodeIps, OUTSIDE, podIps, type Tenancy, World } from './world.ts';

/**
 * `add_kubernetes` with a real API server. The test says who had which address when; names of flows
 * must agree with that. `NETOBSERV_KUBE_PODS=10000 NETOBSERV_KUBE_CHURN_SECONDS=60
 * NETOBSERV_KUBE_OUTAGE_SECONDS=120` makes it a large cluster, with 200 new pods a second.
 */
const PODS = Number(process.env.NETOBSERV_KUBE_PODS ?? 300);
const CHURN_SECONDS = Number(process.env.NETOBSERV_KUBE_CHURN_SECONDS ?? 8);
const OUTAGE_SECONDS = Number(process.env.NETOBSERV_KUBE_OUTAGE_SECONDS ?? 2);
const SIZE = { pods: PODS, services: PODS / 10, nodes: Math.ceil(PODS / 50) };
/** Ten seconds for each pod that is replaced. */
const RATE = { perSecond: PODS / 50, slots: PODS / 5 };
const TIMEOUT = 120_000 + PODS * 40 + (CHURN_SECONDS * 4 + OUTAGE_SECONDS) * 1000;

/** A load may delay what the API server sends by so much. */
const LAG_MS = 5000;
/** Kubernetes writes times in whole seconds. */
const STEP_MS = 1000;

const SOON = { timeout: 90_000, interval: 100 } as const;

/** How the API server says that it has forgotten a version. */
const GONE = '410';

const TCP = 6;
const UDP = 17;

let plane: ControlPlane;
let proxy: FaultyProxy;
let world: World;
let processor: Processor;

beforeAll(async () => {
  plane = await ControlPlane.start();
  world = await World.make(plane, SIZE);
  proxy = new FaultyProxy(plane.port);
  await proxy.start();
  processor = await Processor.start(plane.folder, plane.kubeconfig(PROCESSOR, proxy.port));
  await expectReady();
}, TIMEOUT);

afterAll(async () => {
  await processor?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await plane?.[Symbol.asyncDispose]();
});

/** Ready, and nothing else to say. */
async function expectReady(): Promise<void> {
  await vi.waitFor(async () => {
    expect(await processor.ready()).toEqual({ status: 200, about: '{"ok":true}' });
  }, SOON);
}

/** Names at the source, and what they should be; only the flows for which they differ. */
async function wrong(
  wanted: readonly { readonly address: string; readonly atMs: number; readonly name: string }[],
  isAccepted = (name: unknown, right: string): boolean => name === right,
): Promise<readonly unknown[]> {
  const rows = await processor.named(
    wanted.map(({ address, atMs }) => ({ SrcAddr: address, TimeFlowStartMs: atMs })),
  );
  return rows.flatMap(({ SrcK8S_Name }, at) => {
    const one = wanted[at]!;
    return isAccepted(SrcK8S_Name, one.name) ? [] : [{ ...one, named: SrcK8S_Name }];
  });
}

/** A flow of each address of each pod that is there now. */
function presentFlows(atMs = Date.now()) {
  return world.present.flatMap(({ slot, name }) =>
    podIps(slot).map((address) => ({ address, atMs, name })),
  );
}

/** Times at which a pod had its addresses, well inside and at the edges of its life. */
function timesOf({ fromMs, toMs, isExact }: Tenancy) {
  const endMs = Math.min(toMs, Date.now());
  const first = fromMs + (isExact ? STEP_MS : LAG_MS);
  const last = endMs - STEP_MS;
  return {
    inside: first < last ? [first, Math.floor((first + last) / 2), last] : [],
    edges: [fromMs, fromMs + 1, fromMs + STEP_MS / 2, endMs - STEP_MS / 2, endMs - 1].filter(
      (atMs) => atMs >= fromMs && atMs < endMs,
    ),
  };
}

/** Every pod of the time since then that flows can be of. */
async function expectRightNames(sinceMs: number): Promise<void> {
  const lives = world.tenancies.filter(({ toMs }) => toMs >= sinceMs);
  const flows = (times: 'inside' | 'edges') =>
    lives.flatMap((one) =>
      timesOf(one)[times].flatMap((atMs) =>
        podIps(one.slot).map((address) => ({ address, atMs, name: one.name })),
      ),
    );
  expect(await wrong(flows('inside'))).toEqual([]);
  // Nobody's name rather than that of another.
  const isOwn = (name: unknown, right: string) => name === undefined || name === right;
  expect(await wrong(flows('edges'), isOwn)).toEqual([]);
}

/** All pods of now are known. */
async function settled(): Promise<void> {
  await vi.waitFor(async () => expect(await wrong(presentFlows())).toEqual([]), SOON);
}

test('pods, nodes and services: each field, both families', async () => {
  const nowMs = Date.now();
  const flows: { flow: Row; fields: Row }[] = [];
  const source = (SrcAddr: string, fields: Row) => {
    flows.push({ flow: { SrcAddr, TimeFlowStartMs: nowMs }, fields });
  };
  for (const { slot, name } of world.present) {
    const node = world.nodeOf(slot);
    for (const address of podIps(slot)) {
      source(address, {
        ...{ SrcK8S_Namespace: 'shop', SrcK8S_Name: name, SrcK8S_Type: 'Pod' },
        ...{ SrcK8S_OwnerName: world.deploymentOf(slot), SrcK8S_OwnerType: 'Deployment' },
        ...{ SrcK8S_HostName: `node-${node}`, SrcK8S_HostIP: nodeIps(node)[0] },
        ...{ SrcK8S_Zone: world.zoneOf(node) },
      });
    }
  }
  for (let node = 0; node < SIZE.nodes; node++) {
    for (const address of nodeIps(node)) {
      source(address, { SrcK8S_Name: `node-${node}`, SrcK8S_Type: 'Node' });
    }
  }
  for (const { name, clusterIPs, externalIp, balancerIp } of world.services) {
    expect(clusterIPs).toHaveLength(2);
    for (const address of [...clusterIPs, externalIp, balancerIp]) {
      if (address === '') continue;
      source(address, { SrcK8S_Name: name, SrcK8S_Type: 'Service', SrcK8S_Namespace: 'shop' });
    }
  }
  source(OUTSIDE.address, { SrcK8S_Name: OUTSIDE.name, SrcK8S_Type: 'Service' });
  source(OUTSIDE.unread, { SrcK8S_Name: undefined });
  const rows = await processor.named(flows.map(({ flow }) => flow));
  const got = rows.map((row, at) => picked(row, flows[at]!.fields));
  expect(got).toEqual(flows.map(({ fields }) => fields));
  await report(`${SIZE.pods} pods, ${SIZE.services} services, ${SIZE.nodes} nodes`);
});

test('ports that the API server has given to services on nodes', async () => {
  const given = world.services.filter(({ nodePort }) => nodePort !== undefined);
  expect(given.length).toBeGreaterThan(SIZE.services / 2);
  const to = (node: number, DstPort: number, Proto: number): Row => {
    return { DstAddr: nodeIps(node)[node % 2], DstPort, Proto, TimeFlowStartMs: Date.now() };
  };
  const flows = given.flatMap(({ name, nodePort }, at) => {
    const node = at % SIZE.nodes;
    const host = { DstK8S_HostName: `node-${node}`, DstK8S_Zone: world.zoneOf(node) };
    return [
      {
        flow: to(node, nodePort!, TCP),
        fields: { DstK8S_Name: name, DstK8S_Type: 'Service', ...host },
      },
      {
        flow: to(node, nodePort!, UDP),
        fields: { DstK8S_Name: `node-${node}`, DstK8S_Type: 'Node', ...host },
      },
    ];
  });
  const rows = await processor.named(flows.map(({ flow }) => flow));
  const got = rows.map((row, at) => picked(row, flows[at]!.fields));
  expect(got).toEqual(flows.map(({ fields }) => fields));
});

/** The same keys as in `fields`. */
function picked(row: Row, fields: Row): Row {
  return Object.fromEntries(Object.keys(fields).map((key) => [key, row[key]]));
}

test(
  'pods come and go: late flows find removed pods, a reused address borrows no name',
  async () => {
    const sinceMs = Date.now();
    const count = await world.churn(CHURN_SECONDS, RATE.perSecond, RATE.slots);
    await settled();
    await expectRightNames(sinceMs);
    await report(`${count} pods replaced in ${CHURN_SECONDS} s`);
  },
  TIMEOUT,
);

test(
  'the API server is away: the last state serves, and the probe says so',
  async () => {
    const before = await lists();
    const sinceMs = Date.now();
    await plane.killApi();
    await vi.waitFor(async () => {
      const { status, about } = await processor.ready();
      expect(status).toBe(200);
      expect(about).toMatch(/nodes are \d+ s old: .*pods are \d+ s old: .*services are/);
    }, SOON);
    expect(await wrong(presentFlows())).toEqual([]);
    await pause(OUTAGE_SECONDS);
    await plane.startApi();
    const backMs = Date.now();
    await expectReady();
    const readySeconds = ((Date.now() - backMs) / 1000).toFixed(1);
    const count = await world.churn(CHURN_SECONDS / 2, RATE.perSecond, RATE.slots);
    await settled();
    await expectRightNames(sinceMs);
    const after = await lists();
    // At most one list each, in which case the API server has forgotten the version.
    const more = Object.keys(before).filter((key) => after[key]! > before[key]! + 1);
    expect(more).toEqual([]);
    report(
      `${OUTAGE_SECONDS} s without API, ready ${readySeconds} s later, ${count} pods replaced`,
    );
  },
  TIMEOUT,
);

test(
  'changes that nobody saw, and that the API server has forgotten',
  async () => {
    const before = await lists();
    const expired = await expirations();
    await proxy.become('dead');
    const goneMs = Date.now();
    // Some addresses have pods meanwhile that nobody ever sees.
    await world.churn(CHURN_SECONDS / 2, RATE.perSecond, Math.ceil(RATE.slots / 5));
    await plane.compact();
    // A new process knows only what etcd has.
    await plane.killApi();
    await plane.startApi();
    await proxy.become('healthy');
    await settled();
    await expectReady();
    expect((await lists()).pods).toBe(before.pods! + 1);
    expect(await expirations()).toBeGreaterThan(expired);
    // Flows of pods that came and went meanwhile have nobody's name, not that of the one before.
    const lives = world.tenancies.filter(({ toMs }) => toMs >= goneMs);
    const unseen = lives.filter(({ fromMs, toMs }) => fromMs > goneMs && toMs < Date.now());
    expect(unseen).not.toEqual([]);
    const flows = lives.flatMap((one) => {
      const { inside, edges } = timesOf(one);
      const address = podIps(one.slot)[0];
      return [...edges, ...inside].map((atMs) => ({ address, atMs, name: one.name }));
    });
    const isOwn = (name: unknown, right: string) => name === undefined || name === right;
    expect(await wrong(flows, isOwn)).toEqual([]);
  },
  TIMEOUT,
);

test(
  'the API server hangs: silence ends the watches, and they go on where they were',
  async () => {
    const metrics = createMetrics('');
    const deps = { log: createLog('silent'), metrics, clock: systemClock, random: () => 0 };
    const limits = { silenceMs: 3000, backoff: { firstMs: 100, maxMs: 1000 } };
    const cluster = new Cluster(deps, { reflector: limits });
    onTestFinished(() => cluster.stop());
    cluster.need({
      ...{ configPath: plane.kubeconfig(PROCESSOR), networks: [], managedCni: [] },
      ...{ trackedKinds: [], labels: [], annotations: [] },
    });
    await cluster.start(new AbortController().signal);
    expect(cluster.state()).toEqual({ ok: true });
    plane.freezeApi();
    onTestFinished(() => plane.thawApi());
    const note = /nodes are \d+ s old: .*pods are \d+ s old: .*services are \d+ s old: /;
    await vi.waitFor(
      () => expect(cluster.state()).toMatchObject({ note: expect.stringMatching(note) }),
      SOON,
    );
    const nameOf = (address: string): string | undefined => {
      let last = 0;
      cluster.index.findKey(address, { add: (_fromMs, fact) => (last = fact) });
      return cluster.index.named(last)?.object.name;
    };
    const expectNames = () => {
      const present = world.present.map(({ slot, name }) => [podIps(slot)[0], name]);
      expect(present.map(([address]) => [address, nameOf(address!)])).toEqual(present);
    };
    expectNames();
    plane.thawApi();
    await world.churn(2, RATE.perSecond, RATE.slots);
    await vi.waitFor(expectNames, SOON);
    const { values } = await metrics.registry.getSingleMetric('kube_lists_total')!.get();
    expect(values.find(({ labels }) => labels.resource === 'pods')?.value).toBe(1);
  },
  TIMEOUT,
);

async function lists(): Promise<Readonly<Record<string, number>>> {
  return await processor.counts('kube_lists_total', 'resource');
}

async function expirations(): Promise<number> {
  return (await processor.counts('kube_errors_total', 'code'))[GONE] ?? 0;
}

/** Time that must pass for the outage to be one. */
async function pause(seconds: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
}

/** Figures of a large cluster: the processor's memory, its lists and its watches so far. */
async function report(text: string): Promise<void> {
  if (PODS < 1000) return;
  const watches = await processor.counts('kube_watches_total', 'resource');
  const requests = `lists ${JSON.stringify(await lists())}, watches ${JSON.stringify(watches)}`;
  console.log(`${text}; ${processor.residentMegabytes} MB resident; ${requests}`);
}
