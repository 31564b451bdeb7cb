import { beforeEach, describe, expect, test } from 'vitest';
import type { Hook, HookTarget } from '../../../../src/agent/loader/hook.ts';
import { Hooks } from '../../../../src/agent/loader/hooks.ts';
import type { AttachOptions, BpfObject } from '../../../../src/agent/loader/native.ts';
import { createAgentMetrics } from '../../../../src/agent/metrics.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { FakeKernel } from '../../../support/kernel/fake-kernel.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

const TARGET: HookTarget = {
  netns: undefined,
  namespace: '',
  index: 5,
  name: 'eth5',
  mac: '',
  framing: 'l2',
};

let kernel: FakeKernel;
let clock: ManualClock;
let metrics: ReturnType<typeof createMetrics>;
let hooks: Hook[];

beforeEach(() => {
  kernel = new FakeKernel();
  clock = new ManualClock();
  metrics = createMetrics('');
  hooks = [];
});

function hooksOf(env: Readonly<Record<string, string>>): Hooks {
  return new Hooks(agentConfig(env), {
    native: kernel,
    object: {} as BpfObject,
    clock,
    log: createLog('silent'),
    metrics: createAgentMetrics(metrics, 'debug'),
    owner: 'netobserv:test',
  });
}

function attach(
  env: Readonly<Record<string, string>>,
  target: Partial<HookTarget> = {},
  signal = new AbortController().signal,
): Promise<boolean> {
  return hooksOf(env).attach({ ...TARGET, ...target }, signal, hooks);
}

function refuse(mode: string, code: string): void {
  kernel.refuse.attach = (options) => (options.mode === mode ? { code } : undefined);
}

function attached(): string[] {
  return [...kernel.attached.values()].map(({ program, mode, anchor }) =>
    [program, mode, anchor].join(' '),
  );
}

describe('attach', () => {
  test('both directions by TCX, at the anchors asked for', async () => {
    await attach({ TCX_ATTACH_ANCHOR_INGRESS: 'head', TCX_ATTACH_ANCHOR_EGRESS: 'tail' });
    expect(attached()).toEqual(['flow_ingress_l2 tcx head', 'flow_egress_l2 tcx tail']);
    expect(hooks.map(({ direction }) => direction)).toEqual(['ingress', 'egress']);
  });

  test.each([
    ['one direction', { DIRECTION: 'egress' }, {}, ['flow_egress_l2 tcx head']],
    ['bare IP', { DIRECTION: 'ingress' }, { framing: 'l3' }, ['flow_ingress_l3 tcx head']],
    ['TC', { DIRECTION: 'ingress', TC_ATTACH_MODE: 'tc' }, {}, ['flow_ingress_l2 tc head']],
  ] as const)('%s', async (_why, env, target, wanted) => {
    await attach(env, target);
    expect(attached()).toEqual(wanted);
  });

  test('goes to the namespace of the interface', async () => {
    await attach({}, { netns: 42 });
    const options: AttachOptions[] = [...kernel.attached.values()];
    expect(options.map(({ netns, ifindex }) => [netns, ifindex])).toEqual([
      [42, 5],
      [42, 5],
    ]);
  });

  test('a kernel that knows no TCX gets TC at once', async () => {
    refuse('tcx', 'EINVAL');
    await attach({});
    expect(hooks.map(({ mode }) => mode)).toEqual(['tc', 'tc']);
  });

  test('another refusal of TCX is tried again, each time later, and then given up', async () => {
    refuse('tcx', 'EPERM');
    const done = attach({ TC_ATTACH_RETRIES: '3', DIRECTION: 'ingress' });
    await clock.advance(299);
    expect(clock.waiting).toBe(1);
    await clock.advance(1 + 600);
    await done;
    expect(hooks).toEqual([]);
    const errors = await metrics.registry.getSingleMetricAsString('errors_total');
    expect(errors).toMatch(/error="AttachIngress:CantAttachTCX".* 3$/m);
  });

  test('a retry may succeed', async () => {
    refuse('tcx', 'EBUSY');
    const done = attach({ DIRECTION: 'ingress' });
    await settle();
    kernel.refuse = {};
    await clock.advance(300);
    await done;
    expect(hooks).toHaveLength(1);
  });

  test('any: TCX once, TC once, no more', async () => {
    refuse('tcx', 'EPERM');
    await attach({ TC_ATTACH_MODE: 'any', DIRECTION: 'ingress' });
    expect(hooks.map(({ mode }) => mode)).toEqual(['tc']);
    hooks = [];
    kernel.refuse.attach = () => ({ code: 'EPERM' });
    await attach({ TC_ATTACH_MODE: 'any', DIRECTION: 'ingress' });
    expect(hooks).toEqual([]);
    expect(clock.waiting).toBe(0);
  });

  test('one direction that is refused is said to be missing, and the only one to be added', async () => {
    kernel.refuse.attach = ({ direction }) =>
      direction === 'egress' ? { code: 'EPERM' } : undefined;
    expect(await attach({ TC_ATTACH_MODE: 'any' })).toBe(false);
    expect(hooks.map(({ direction }) => direction)).toEqual(['ingress']);
    kernel.refuse = {};
    expect(await attach({})).toBe(true);
    expect(hooks.map(({ direction }) => direction)).toEqual(['ingress', 'egress']);
    expect(attached()).toHaveLength(2);
  });

  test('an interface that is gone is no failure', async () => {
    kernel.refuse.attach = () => ({ code: 'ENODEV' });
    await attach({});
    expect(hooks).toEqual([]);
    const events = await metrics.registry.getSingleMetricAsString('interface_events_total');
    expect(events).not.toContain('attach_fail');
    const errors = await metrics.registry.getSingleMetricAsString('errors_total');
    expect(errors).not.toMatch(/component="InterfaceEvents".* [1-9]/);
  });

  test('one interface after the other, but for those that are not wanted any more', async () => {
    const attacher = hooksOf({});
    const abort = new AbortController();
    const attach = (index: number, signal = new AbortController().signal): Promise<boolean> =>
      attacher.attach({ ...TARGET, index }, signal, []);
    const attaching = [attach(5), attach(6, abort.signal), attach(7)];
    abort.abort();
    await Promise.all(attaching);
    expect([...kernel.attached.values()].map(({ ifindex }) => ifindex)).toEqual([5, 5, 7, 7]);
  });

  test('retries end with the signal', async () => {
    refuse('tcx', 'EPERM');
    const abort = new AbortController();
    const done = attach({}, {}, abort.signal);
    await settle();
    abort.abort();
    await done;
    expect(clock.waiting).toBe(0);
  });
});
