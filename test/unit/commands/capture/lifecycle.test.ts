import { expect, test } from 'vitest';
import type { Component } from '../../../../src/base/component.ts';
import { sourceFirst } from '../../../../src/commands/capture/lifecycle.ts';

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
