import { beforeEach, expect, test } from 'vitest';
import type { Agent } from '../../../src/agent/agent.ts';
import { type AgentDeps, createAgent } from '../../../src/agent/root.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { type FakeFlow, FakeKernel } from '../../support/kernel/fake-kernel.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { agentConfig, takeBatch, viewFlows } from '../../support/processes/agent-host.ts';

let kernel: FakeKernel;
let clock: ManualClock;
let emitted: (readonly [address: string, interfaces: readonly string[]])[];

beforeEach(() => {
  kernel = new FakeKernel();
  clock = new ManualClock();
  emitted = [];
  kernel.setLink({ index: 1, name: 'lo', type: 772 });
  kernel.setLink({ index: 2, name: 'eth0' });
});

function create(
  env: Readonly<Record<string, string>> = {},
  overrides: Partial<AgentDeps> = {},
): Agent {
  return createAgent(agentConfig({ AGENT_IP: '192.0.2.1', ...env }), {
    log: createLog('silent'),
    metrics: createMetrics(''),
    clock,
    native: kernel,
    object: new Uint8Array(0),
    take: takeBatch,
    emit: (batch) => {
      emitted.push(...viewFlows(batch).map((one) => [one.SrcAddr, one.Interfaces] as const));
      return true;
    },
    namespaceDirectory: '/nonexistent/netns',
    processDirectory: '/nonexistent/proc',
    kernelMonotonicMs: () => clock.monotonicMs(),
    ...overrides,
  });
}

async function start(env: Readonly<Record<string, string>> = {}): Promise<Agent> {
  const agent = create(env);
  await agent.start(new AbortController().signal);
  return agent;
}

function flow(src: string, index = 2): FakeFlow {
  // 7 is the low half of the fake namespace's cookie.
  const observed = [{ netns: 7, index, ingress: true }];
  return { src, dst: '10.0.0.2', bytes: 100, packets: 2, observed };
}

function hooked(): string[] {
  return [...kernel.attached.values()].map(({ program, ifindex }) => `${program} ${ifindex}`);
}

test('hooks go on what is there, except loopback', async () => {
  const agent = await start();
  expect(hooked()).toEqual(['flow_ingress_l2 2', 'flow_egress_l2 2']);
  expect(agent.status().interfaces).toEqual([
    { name: 'eth0', index: 2, namespace: '', mode: 'tcx', directions: ['ingress', 'egress'] },
  ]);
  await agent.stop();
});

test('hooks follow interfaces: added, down, up, renamed, unreadable, removed', async () => {
  const agent = await start({ INTERFACES: '/^(eth|tun|can)/' });
  const names = (): string[] => agent.status().interfaces.map((row) => row.name);
  kernel.setLink({ index: 3, name: 'eth1', up: false });
  kernel.setLink({ index: 4, name: 'tun0', type: 0xfffe });
  kernel.setLink({ index: 5, name: 'can0', type: 280 });
  await settle();
  expect(names()).toEqual(['eth0', 'tun0']);
  expect(hooked()).toContain('flow_ingress_l3 4');

  kernel.setLink({ index: 3, name: 'eth1' });
  await settle();
  expect(names()).toEqual(['eth0', 'tun0', 'eth1']);
  kernel.setLink({ index: 3, name: 'eth1', up: false });
  await settle();
  expect(names()).toContain('eth1');

  kernel.setLink({ index: 3, name: 'eth7' });
  await settle();
  expect(names()).toEqual(['eth0', 'tun0', 'eth7']);
  kernel.setLink({ index: 3, name: 'other' });
  await settle();
  expect(names()).toEqual(['eth0', 'tun0']);
  kernel.removeLink(4);
  await settle();
  expect(names()).toEqual(['eth0']);
  await agent.stop();
});

test.each<[string, Readonly<Record<string, string>>, () => Promise<void>]>([
  [
    'its next change',
    {},
    () => {
      kernel.setLink({ index: 2, name: 'eth0' });
      return settle();
    },
  ],
  ['the next look', { LISTEN_INTERFACES: 'poll' }, () => clock.advance(10_000)],
])('a hook that was refused comes with %s', async (_when, env, come) => {
  kernel.refuse.attach = ({ direction }) =>
    direction === 'egress' ? { code: 'EBUSY' } : undefined;
  const agent = await start({ TC_ATTACH_RETRIES: '1', ...env });
  const directions = () => agent.status().interfaces.map((row) => row.directions);
  await come();
  expect(directions()).toEqual([['ingress']]);
  kernel.refuse = {};
  await come();
  expect(directions()).toEqual([['ingress', 'egress']]);
  await come();
  expect(hooked()).toEqual(['flow_ingress_l2 2', 'flow_egress_l2 2']);
  await agent.stop();
  expect(kernel.attached.size).toBe(0);
});

test('flows carry the name of their interface, also after it is gone', async () => {
  const agent = await start();
  kernel.record(flow('10.0.0.1'), flow('10.0.0.3', 99));
  kernel.removeLink(2);
  await agent.drainNow();
  expect(emitted).toEqual([
    ['10.0.0.1', ['eth0']],
    ['10.0.0.3', ['unknown']],
  ]);
  await agent.stop();
});

test('stop: what is there is handed on, hooks off, both maps, everything closed', async () => {
  const agent = await start();
  kernel.record(flow('10.0.0.1'));
  kernel.calls.length = 0;
  await agent.stop();
  expect(kernel.calls.map((call) => call.split(' ')[0])).toEqual([
    ...['swap', 'drain', 'drain', 'detach', 'detach'],
    ...['swap', 'drain', 'swap', 'drain', 'close'],
  ]);
  expect(emitted).toHaveLength(1);
  expect(kernel.attached.size).toBe(0);
  expect(kernel.openFds.size).toBe(0);
  expect(kernel.watching).toBe(false);
  expect(clock.waiting).toBe(0);
  expect(agent.status().accounting?.recordedPackets).toBe(2);
  await agent.stop();
});

test('flows that come while hooks go are drained as before', async () => {
  const gate = Promise.withResolvers<void>();
  kernel.detach = () => gate.promise;
  const agent = await start();
  const stopped = agent.stop();
  await settle();
  kernel.record(flow('10.0.0.1'));
  await clock.advance(5000);
  expect(emitted).toHaveLength(1);
  gate.resolve();
  await stopped;
});

test.each<[string, () => void]>([
  [
    'a descriptor that cannot be closed',
    () => {
      const close = kernel.closeFd.bind(kernel);
      kernel.closeFd = (fd) => {
        close(fd);
        throw new Error('refused');
      };
    },
  ],
  [
    'maps that cannot be drained',
    () => {
      kernel.refuse.drain = () => ({ code: 'refused' });
    },
  ],
])('stop with %s does all the rest, and says so', async (_what, spoil) => {
  const agent = await start();
  kernel.record(flow('10.0.0.1'));
  kernel.calls.length = 0;
  spoil();
  await expect(agent.stop()).rejects.toThrow('refused');
  expect(kernel.attached.size).toBe(0);
  expect(kernel.calls.filter((call) => call === 'swap')).toHaveLength(3);
  expect(kernel.openFds.size).toBe(0);
  expect(kernel.watching).toBe(false);
  expect(kernel.calls.at(-1)).toBe('close');
  expect(clock.waiting).toBe(0);
});

test('a start that is called off waits for no hook', async () => {
  const gate = Promise.withResolvers<number>();
  kernel.attach = () => gate.promise;
  const agent = create();
  const abort = new AbortController();
  const started = agent.start(abort.signal);
  await settle();
  abort.abort('SIGTERM');
  await started;
  gate.resolve(1);
  await agent.stop();
  expect(kernel.openFds.size).toBe(0);
});

test('a start that fails leaves nothing behind once stopped', async () => {
  const failing = create({ INTERFACES: 'nowhere0' }, { isInteractive: true });
  await expect(failing.start(new AbortController().signal)).rejects.toMatchObject({
    code: 'ERR_AGENT_OPTION',
    message: 'INTERFACES: there is no interface nowhere0; there are eth0, lo',
  });
  await failing.stop();
  expect(kernel.openFds.size).toBe(0);
  expect(kernel.watching).toBe(false);
});

test('where nobody looks on, interfaces asked for may all be still to come', async () => {
  const agent = await start({ INTERFACES: 'eth9' });
  expect(agent.status().interfaces).toEqual([]);
  kernel.setLink({ index: 9, name: 'eth9' });
  await settle();
  expect(agent.status().interfaces.map((row) => row.name)).toEqual(['eth9']);
  await agent.stop();
});

test('some of the interfaces asked for are enough', async () => {
  const agent = await start({ INTERFACES: 'eth0,eth9' });
  expect(agent.status().interfaces.map((row) => row.name)).toEqual(['eth0']);
  kernel.setLink({ index: 9, name: 'eth9' });
  await settle();
  expect(agent.status().interfaces).toHaveLength(2);
  await agent.stop();
});

test('the map that fills is drained before its time', async () => {
  const agent = await start();
  kernel.record(flow('10.0.0.1'));
  kernel.wakeUp();
  await settle();
  expect(emitted).toHaveLength(1);
  await agent.stop();
});

test('an agent fails when nothing waits for the kernel any more, and stops as ever', async () => {
  const watch = kernel.watch.bind(kernel);
  let endWatcher: (errno: number) => void = () => expect.fail('not watching');
  kernel.watch = (onEvent) => {
    endWatcher = (errno) => onEvent(-1, undefined, errno);
    return watch(onEvent);
  };
  const agent = await start();
  kernel.record(flow('10.0.0.1'));
  endWatcher(9);
  await expect(agent.failed).rejects.toMatchObject({
    code: 'ERR_AGENT_WATCH',
    message: expect.stringContaining('EBADF'),
  });
  await agent.stop();
  expect(emitted).toHaveLength(1);
  expect(kernel.attached.size).toBe(0);
  expect(kernel.openFds.size).toBe(0);
});
