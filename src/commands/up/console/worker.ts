/**
 * The console's thread: HTTP, sessions, and parsing and formatting for viewers. Queries of flows
 * and of the agent go to the main thread as calls, so that no request of a viewer can keep the main
 * thread from draining, writing or ending.
 */
import { readlinkSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { assertExists } from '../../../base/assert.ts';
import { systemClock } from '../../../base/clock.ts';
import type { ConsoleDeps } from '../../../console/server/context.ts';
import type { WrittenRows } from '../../../console/server/live.ts';
import { createConsole } from '../../../console/server/root.ts';
import { createLog } from '../../../telemetry/log.ts';
import { createMetrics } from '../../../telemetry/metrics.ts';
import { giveWay } from '../../../telemetry/priority.ts';
import { protectionOf } from '../protection.ts';
import { Calls, plain } from './calls.ts';
import type { ConsoleStart, FromConsole, ToConsole } from './messages.ts';

const METRICS_PERIOD_MS = 1000;

const port = assertExists(parentPort, 'the thread that started this one');
const { config, files, version, logLevel, metricsPrefix } = workerData as ConsoleStart;

function send(message: FromConsole): void {
  port.postMessage(message);
}

function depsOf(calls: Calls, listeners: Set<(rows: WrittenRows) => void>): ConsoleDeps {
  return {
    log: createLog(logLevel, {
      write: (line: string) => {
        send({ kind: 'log', line });
        return true;
      },
    }),
    metrics: createMetrics(metricsPrefix),
    clock: systemClock,
    store: {
      records: (query, signal) => calls.make('records', query, signal),
      metrics: (query, signal) => calls.make('metrics', query, signal),
      values: (query, signal) => calls.make('values', query, signal),
      status: () => calls.make('storeStatus'),
    },
    version,
    features: () => calls.make('features'),
    health: { live: () => calls.make('live'), ready: () => calls.make('ready') },
    agentStatus: () => calls.make('agentStatus'),
    branches: () => calls.make('branches'),
    exposition: () => calls.make('exposition'),
    subscribe(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
  };
}

async function run(): Promise<void> {
  giveWay(Number(readlinkSync('/proc/thread-self').split('/').at(-1)));
  const listeners = new Set<(rows: WrittenRows) => void>();
  const deps = depsOf(new Calls(port), listeners);
  const ending = new AbortController();
  const protection = protectionOf(files, (what) => ({
    renewed: () => send({ kind: 'renewal', what }),
    refused: (error) => send({ kind: 'renewal', what, error: plain(error) }),
  }));
  const console = createConsole({ ...config, ...protection }, deps);
  const stopped = new Promise<void>((resolve) => {
    port.on('message', (message: ToConsole) => {
      if (message.kind === 'stop') resolve();
      else if (message.kind === 'written') for (const told of listeners) told(message.rows);
    });
  });
  await console.start(ending.signal);
  const { registry } = deps.metrics;
  const families = registry.getMetricsAsArray().map(({ name }) => name);
  send({ kind: 'up', address: console.address(), families });
  const tell = async (): Promise<void> => {
    send({ kind: 'metrics', text: await registry.metrics() });
  };
  using _telling = systemClock.every(METRICS_PERIOD_MS, () => void tell());
  await stopped;
  ending.abort();
  await console.stop();
}

run().then(
  () => port.close(),
  (error: unknown) => {
    send({ kind: 'failed', error: plain(error) });
    port.close();
  },
);
