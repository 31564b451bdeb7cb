/** The console's thread, as real threads whose code the test decides. */
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../../../src/base/clock.ts';
import { explain } from '../../../../../src/base/errors.ts';
import { plain } from '../../../../../src/commands/up/console/calls.ts';
import type { ConsoleStart } from '../../../../../src/commands/up/console/messages.ts';
import {
  type ConsoleThread,
  type ConsoleThreadDeps,
  consoleInThread,
} from '../../../../../src/commands/up/console/thread.ts';
import { START_ERRORS, startError } from '../../../../../src/console/server/errors.ts';
import type { WrittenRows } from '../../../../../src/console/server/live.ts';
import { createLog } from '../../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../../src/telemetry/metrics.ts';
import { configOf } from '../../../console/server/harness.ts';

const START: ConsoleStart = {
  config: configOf(),
  files: { tokenPath: undefined, tlsCertFile: '', tlsKeyFile: '' },
  version: { version: '1', buildDate: '' },
  logLevel: 'info',
  metricsPrefix: 'netobserv_',
};

/** Listens on the port that it receives, or on 4711, and ends on request. */
const WELL = `
  const { parentPort: port, workerData } = require('node:worker_threads');
  const { host, port: wanted } = workerData.config.listen;
  const address = { host, port: wanted || 4711, url: 'http://x' };
  port.on('message', ({ kind, rows }) => {
    if (kind === 'stop') port.close();
    if (kind === 'written') port.postMessage({ kind: 'log', line: JSON.stringify(rows) });
  });
  port.postMessage({ kind: 'up', address, families: ['netobserv_x'] });
  port.postMessage({ kind: 'metrics', text: '# TYPE netobserv_x gauge\\nnetobserv_x 1\\n' });
`;

const started: ConsoleThread[] = [];
afterEach(async () => {
  for (const thread of started.splice(0)) await thread.stop();
});

interface Bed {
  readonly thread: ConsoleThread;
  readonly metrics: ConsoleThreadDeps['metrics'];
  readonly lines: string[];
  written(rows: WrittenRows): void;
}

function bedOf(code: string): Bed {
  const metrics = createMetrics('netobserv_');
  const lines: string[] = [];
  const listeners = new Set<(rows: WrittenRows) => void>();
  const renewalOf = (what: string) => ({
    renewed: () => void lines.push(`${what} renewed`),
    refused: (error: unknown) => void lines.push(`${what} refused: ${explain(error)}`),
  });
  const thread = consoleInThread(START, {
    log: createLog('silent'),
    clock: systemClock,
    metrics,
    code: { code, isText: true },
    answers: {},
    renewals: { console_token: renewalOf('token'), console_tls: renewalOf('tls') },
    stderr: { write: (line) => lines.push(line) },
    subscribe(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
  });
  return {
    thread,
    metrics,
    lines,
    written: (rows) => {
      for (const listener of listeners) listener(rows);
    },
  };
}

async function start(bed: Bed): Promise<void> {
  started.push(bed.thread);
  await bed.thread.start(new AbortController().signal);
}

test('it is up with its address, its metrics stand among the others, its log lines go out', async () => {
  const bed = bedOf(WELL);
  expect(bed.thread.readiness().ok).toBe(false);
  await start(bed);
  expect(bed.thread.address().port).toBe(4711);
  expect(bed.thread.readiness()).toEqual({ ok: true });
  await expect.poll(() => bed.metrics.registry.metrics()).toContain('netobserv_x 1');
});

test('rows that are written in a moment are one piece of news', async () => {
  const bed = bedOf(WELL);
  await start(bed);
  for (let i = 0; i < 3; i++) bed.written({ flows: 1, bytes: 10, packets: 2 });
  await expect.poll(() => bed.lines).toEqual(['{"flows":3,"bytes":30,"packets":6}']);
});

test('what becomes of renewed files is told here', async () => {
  const error = { message: 'no key', retryable: false, details: {} };
  const told = [
    { kind: 'renewal', what: 'console_token' },
    { kind: 'renewal', what: 'console_tls', error },
  ];
  const bed = bedOf(`${WELL} for (const each of ${JSON.stringify(told)}) port.postMessage(each);`);
  await start(bed);
  await expect.poll(() => bed.lines).toEqual(['token renewed', 'tls refused: no key']);
});

test('why it does not start is told by the start', async () => {
  const error = plain(startError(START_ERRORS.listen, 'taken'));
  const bed = bedOf(
    `require('node:worker_threads').parentPort.postMessage(${JSON.stringify({ kind: 'failed', error })})`,
  );
  await expect(start(bed)).rejects.toMatchObject({ code: 'ERR_CONSOLE_LISTEN', message: 'taken' });
});

test('a thread that throws, or ends for want of memory, is replaced, on the same port', async () => {
  const bed = bedOf(`${WELL}
    // The first one has no port of its own yet.
    const held = [];
    const fill = () => { for (;;) held.push(new Array(1e6).fill(1)); };
    if (wanted === 0) setTimeout(fill, 50);
  `);
  await start(bed);
  await expect
    .poll(() => bed.metrics.registry.metrics(), { timeout: 15_000 })
    .toContain('netobserv_console_restarts_total 1');
  await expect.poll(() => bed.thread.readiness().ok).toBe(true);
  expect(bed.thread.address().port).toBe(4711);
});

test('a thread that does nothing but compute neither holds this one up nor its end', async () => {
  const bed = bedOf(`${WELL} setTimeout(() => { for (;;); }, 50);`);
  await start(bed);
  await systemClock.sleep(100);
  let ticks = 0;
  using _ticking = systemClock.every(10, () => ticks++);
  await bed.thread.stop();
  started.splice(0);
  expect(ticks).toBeGreaterThan(50);
});
