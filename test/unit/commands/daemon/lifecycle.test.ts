import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { aborted } from '../../../../src/base/aborted.ts';
import type { Component } from '../../../../src/base/component.ts';
import { runComponents, sourceFirst } from '../../../../src/commands/daemon/lifecycle.ts';
import { Health } from '../../../../src/telemetry/health.ts';
import { createLog } from '../../../../src/telemetry/log.ts';

const signal = new AbortController().signal;

function recorder() {
  const calls: string[] = [];
  const component = (name: string, failing?: 'start' | 'stop'): Component => {
    const call = (what: 'start' | 'stop') => async (): Promise<void> => {
      calls.push(`${what} ${name}`);
      if (failing === what) throw new Error(`${name} does not ${what}`);
    };
    return { start: call('start'), stop: call('stop') };
  };
  return { calls, component };
}

test('a source is the first to start and the first to stop', async () => {
  const { calls, component } = recorder();
  const all = sourceFirst(component('agent'), [component('metrics'), component('exporter')]);
  await all.start(signal);
  await all.stop();
  expect(calls).toEqual([
    ...['start agent', 'start metrics', 'start exporter'],
    ...['stop agent', 'stop exporter', 'stop metrics'],
  ]);
});

test('sinks that were not started are not stopped', async () => {
  const { calls, component } = recorder();
  const all = sourceFirst(component('agent'), [component('metrics', 'start'), component('spool')]);
  await expect(all.start(signal)).rejects.toThrow('metrics does not start');
  await all.stop();
  expect(calls).toEqual(['start agent', 'start metrics', 'stop agent', 'stop metrics']);
});

test('a component that does not stop keeps no other from it, and is told of', async () => {
  const { calls, component } = recorder();
  const all = sourceFirst(component('agent', 'stop'), [component('exporter')]);
  await all.start(signal);
  await expect(all.stop()).rejects.toThrow('agent does not stop');
  expect(calls.slice(2)).toEqual(['stop agent', 'stop exporter']);
});

/** A component's `failed` promise, and the function that rejects it. */
function failable() {
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  return { failed, fail };
}

/** Runs components as a daemon does; `stop.fail` ends it like a signal. */
function daemon(components: readonly Component[]) {
  const ending = new AbortController();
  const failures: unknown[] = [];
  const health = new Health();
  const stop = {
    signal: ending.signal,
    fail(error: unknown) {
      failures.push(error);
      ending.abort(error);
    },
  };
  const log = createLog('silent');
  const running = runComponents(components, { stop, log, health }, () => aborted(stop.signal));
  return { running, failures, health, stop, end: () => ending.abort() };
}

test('a component that fails while it runs stops all others in reverse order', async () => {
  const { calls, component } = recorder();
  const { failed, fail } = failable();
  const { running, failures, health } = daemon([
    component('store'),
    { ...component('agent'), failed },
    component('console'),
  ]);
  await nextTurn();
  expect(health.ready()).toEqual({ ok: true, checks: {} });
  const reason = new Error('the thread has ended');
  fail(reason);
  await running;
  expect(failures).toEqual([reason]);
  expect(calls.slice(3)).toEqual(['stop console', 'stop agent', 'stop store']);
  expect(health.ready().checks).toEqual({
    components: { ok: false, reason: 'the thread has ended' },
  });
});

test('a component that fails while others start keeps the rest from starting', async () => {
  const { calls, component } = recorder();
  const { failed, fail } = failable();
  const slow = component('slow');
  const { running } = daemon([
    { ...component('agent'), failed },
    {
      ...slow,
      async start(signal) {
        await slow.start(signal);
        fail(new Error('gone'));
        await aborted(signal);
      },
    },
    component('console'),
  ]);
  await running;
  expect(calls).toEqual(['start agent', 'start slow', 'stop slow', 'stop agent']);
});

test('the source of a group, and each of its sinks, may fail', async () => {
  for (const at of [0, 1, 2]) {
    const { component } = recorder();
    const { failed, fail } = failable();
    const parts = ['agent', 'metrics', 'exporter'].map((name, index) => {
      return index === at ? { ...component(name), failed } : component(name);
    });
    const { running, failures } = daemon([sourceFirst(parts[0]!, parts.slice(1))]);
    await nextTurn();
    fail('gone');
    await running;
    expect(failures).toEqual(['gone']);
  }
});

test('a daemon whose components do not fail ends by its signal alone', async () => {
  const { calls, component } = recorder();
  const { running, failures, end } = daemon([{ ...component('agent'), failed: failable().failed }]);
  await nextTurn();
  expect(calls).toEqual(['start agent']);
  end();
  await running;
  expect(failures).toEqual([]);
  expect(calls).toEqual(['start agent', 'stop agent']);
});
