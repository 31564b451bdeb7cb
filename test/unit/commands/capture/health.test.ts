import { afterEach, beforeEach, expect, test } from 'vitest';
import { createExporter } from '../../../../src/agent/export/exporters.ts';
import { createAgent } from '../../../../src/agent/root.ts';
import { systemClock } from '../../../../src/base/clock.ts';
import { watchHealth } from '../../../../src/commands/capture/health.ts';
import { agentColumns } from '../../../../src/flow/agent-columns.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { Health } from '../../../../src/telemetry/health.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { createTelemetryServer } from '../../../../src/telemetry/server.ts';
import { FakeKernel } from '../../../support/kernel/fake-kernel.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';
import { freePort } from '../../../support/processes/program.ts';

const FLOW = { src: '10.0.0.1', dst: '10.0.0.2', bytes: 100, packets: 1 };
const OK = { ok: true };

let kernel: FakeKernel;
let clock: ManualClock;
let stops: (() => Promise<void>)[];

beforeEach(() => {
  kernel = new FakeKernel();
  clock = new ManualClock();
  stops = [];
  kernel.setLink({ index: 2, name: 'eth0' });
});

afterEach(async () => {
  kernel.refuse = {};
  for (const stop of stops.reverse()) await stop();
});

/** An agent with an unreachable collector, and its probes. */
async function start(env: Readonly<Record<string, string>> = {}) {
  const target = { TARGET_HOST: '127.0.0.1', TARGET_PORT: `${await freePort()}` };
  const config = agentConfig({ ...target, AGENT_IP: '192.0.2.1', ...env });
  const shared = { log: createLog('silent'), metrics: createMetrics('') };
  const health = new Health();
  const exporter = await createExporter(config, {
    ...shared,
    clock: systemClock,
    random: () => 0,
    tables: new TableSpace(),
    columns: agentColumns(),
    stdout: process.stdout,
    delivery: { drainTimeoutMs: 1 },
  });
  const agent = createAgent(config, {
    ...shared,
    clock,
    native: kernel,
    object: new Uint8Array(0),
    take: () => exporter.take(),
    emit: (batch) => exporter.emit(batch),
    namespaceDirectory: '/nonexistent/netns',
    processDirectory: '/nonexistent/proc',
  });
  watchHealth(health, agent, exporter);
  const server = createTelemetryServer({ address: '127.0.0.1', port: 0 }, { ...shared, health });
  const { signal } = new AbortController();
  await server.start(signal);
  const ask = async (path: string): Promise<readonly [number, unknown]> => {
    const response = await fetch(`http://127.0.0.1:${server.port()}${path}?full=1`);
    return [response.status, await response.json()];
  };
  const before = await ask('/readyz');
  for (const component of [exporter, agent]) {
    stops.push(() => component.stop());
    await component.start(signal);
  }
  stops.unshift(() => server.stop());
  return { ready: () => ask('/readyz'), live: () => ask('/livez'), before };
}

test('ready when the hooks are on, and not before', async () => {
  const { before, ready, live } = await start();
  expect(before[0]).toBe(503);
  expect(await ready()).toEqual([200, { hooks: OK, drain: OK, exporter: OK }]);
  expect(await live()).toEqual([200, { drain: OK }]);
});

test('waiting for interfaces is no reason not to be ready; having hooks on none is', async () => {
  kernel.removeLink(2);
  kernel.refuse.attach = () => ({ code: 'EPERM' });
  const { ready } = await start({ TC_ATTACH_MODE: 'any' });
  expect((await ready())[0]).toBe(200);
  kernel.setLink({ index: 3, name: 'eth1' });
  const reason = 'none of 1 interfaces has a hook';
  await expect
    .poll(ready)
    .toEqual([503, { hooks: { ok: false, reason }, drain: OK, exporter: OK }]);
});

test('drains that fail: not ready until one succeeds, not alive when that takes long', async () => {
  const { ready, live } = await start();
  kernel.refuse.drain = () => ({ code: 'EFAULT' });
  await clock.advance(5000);
  expect(await ready()).toMatchObject([
    503,
    { drain: { ok: false, reason: expect.stringContaining('EFAULT') } },
  ]);
  expect((await live())[0]).toBe(200);
  await clock.advance(6 * 60_000);
  expect((await live())[0]).toBe(503);
  kernel.refuse = {};
  await clock.advance(5000);
  expect((await ready())[0]).toBe(200);
  expect((await live())[0]).toBe(200);
});

test('a drain that does not end: not ready', async () => {
  const { ready } = await start();
  const drained = Promise.withResolvers<number>();
  kernel.drain = () => drained.promise;
  await clock.advance(25_000);
  expect((await ready())[0]).toBe(200);
  await clock.advance(1000);
  const reason = 'no drain has ended for 26 s';
  expect(await ready()).toMatchObject([503, { drain: { ok: false, reason } }]);
  drained.resolve(0);
});

test('a collector that is not there: not ready, then full', async () => {
  const { ready } = await start({ BUFFERS_LENGTH: '2' });
  const exporter = async (): Promise<unknown> => (await ready())[1];
  kernel.record(FLOW);
  await clock.advance(5000);
  await expect.poll(exporter).toMatchObject({
    drain: OK,
    exporter: { ok: false, reason: expect.stringMatching(/^cannot deliver: /) },
  });
  for (let batch = 0; batch < 2; batch++) {
    kernel.record(FLOW);
    await clock.advance(5000);
  }
  expect(await ready()).toEqual([
    503,
    {
      hooks: OK,
      drain: { ok: false, reason: 'there was no room for what was handed on last' },
      exporter: { ok: false, reason: 'as much waits to be sent as may' },
    },
  ]);
});
