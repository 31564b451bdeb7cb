import { once } from 'node:events';
import { request } from 'node:http';
import type { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { LiveTick } from '../../../../src/console/api.ts';
import { DEFAULT_LIMITS } from '../../../../src/console/server/config.ts';
import { LiveHub, type WrittenRows } from '../../../../src/console/server/live.ts';
import { createConsoleMetrics } from '../../../../src/console/server/metrics.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { fakeStore, gate, metricValue, running } from './harness.ts';

function setUp(limits: Partial<typeof DEFAULT_LIMITS> = {}, rows = async () => 3) {
  const clock = new ManualClock();
  const metrics = createMetrics('');
  let listener: (written: WrittenRows) => void = () => undefined;
  const hub = new LiveHub(
    { ...DEFAULT_LIMITS, ...limits },
    {
      clock,
      metrics: createConsoleMetrics(metrics),
      subscribe: (subscriber) => {
        listener = subscriber;
        return { [Symbol.dispose]: () => undefined };
      },
      rows,
    },
  );
  hub.start();
  return { clock, metrics, hub, wrote: (rows: WrittenRows) => listener(rows) };
}

/** Lets the hub's `await` of the row count pass, and streams deliver their data. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const ONE = { flows: 1, bytes: 100, packets: 2 };

function ticksIn(text: string): LiveTick[] {
  return [...text.matchAll(/event: tick\ndata: (.*)\n\n/g)].map(([, json]) =>
    JSON.parse(json ?? ''),
  );
}

test('writes are added up and told once a second', async () => {
  const { clock, hub, wrote } = setUp();
  const client = hub.connect();
  expect(client.read()).toBe('retry: 3000\n\n');
  wrote(ONE);
  wrote({ flows: 2, bytes: 50, packets: 1 });
  expect(client.read()).toBeNull();
  clock.jump(1000);
  await settled();
  expect(ticksIn(client.read())).toEqual([
    { nowMs: clock.nowMs(), flows: 3, bytes: 150, packets: 3, elapsedMs: 1000, rows: 3 },
  ]);
  clock.jump(1000);
  await settled();
  expect(client.read()).toBeNull();
});

test('without news there is a beat, so that proxies keep the connection', async () => {
  const { clock, hub } = setUp();
  const client = hub.connect();
  client.read();
  for (let second = 0; second < 15; second++) {
    clock.jump(1000);
    await settled();
  }
  expect(ticksIn(client.read())).toMatchObject([{ flows: 0, elapsedMs: 15_000 }]);
});

test('nobody is told what happened before they came', async () => {
  const { clock, hub, wrote } = setUp();
  wrote(ONE);
  clock.jump(5000);
  const client = hub.connect();
  client.read();
  wrote(ONE);
  clock.jump(1000);
  await settled();
  expect(ticksIn(client.read())).toMatchObject([{ flows: 1, elapsedMs: 1000 }]);
});

test('while the store is slow to count, writes add up for the next tick', async () => {
  const counted = gate<number>();
  const { clock, hub, wrote } = setUp({}, () => counted.promise);
  const client = hub.connect();
  client.read();
  wrote(ONE);
  clock.jump(1000);
  await settled();
  wrote(ONE);
  clock.jump(1000);
  await settled();
  counted.resolve(9);
  await settled();
  expect(ticksIn(client.read())).toMatchObject([{ flows: 2, rows: 9, elapsedMs: 2000 }]);
});

test('a store that cannot count does not stop the ticks', async () => {
  const { clock, hub, wrote } = setUp({}, () => Promise.reject(new Error('busy')));
  const client = hub.connect();
  client.read();
  wrote(ONE);
  clock.jump(1000);
  await settled();
  expect(ticksIn(client.read())).toMatchObject([{ flows: 1, rows: 0 }]);
});

test('a client that does not read misses ticks, others do not, and in the end it is dropped', async () => {
  const limits = { liveBufferBytes: 200, liveMissedTicksMax: 3 };
  const { clock, hub, wrote, metrics } = setUp(limits);
  const slow = hub.connect();
  const quick = hub.connect();
  let read = '';
  quick.on('data', (piece: string) => {
    read += piece;
  });
  const ended = once(slow, 'close');
  const second = async () => {
    wrote(ONE);
    clock.jump(1000);
    await settled();
  };
  // The buffer takes as much as fits, then three ticks are missed.
  for (let i = 0; i < 5; i++) await second();
  await ended;
  expect(slow.readableLength).toBeLessThan(400);
  expect(await metricValue(metrics, 'console_live_ticks_skipped_total')).toBe(3);
  expect(await metricValue(metrics, 'console_live_clients_dropped_total')).toBe(1);
  expect(await metricValue(metrics, 'console_live_clients')).toBe(1);
  await expect.poll(() => ticksIn(read).length).toBe(5);
});

test('a client that reads again gets ticks again', async () => {
  const { clock, hub, wrote } = setUp({ liveBufferBytes: 200 });
  const client = hub.connect();
  const second = async () => {
    wrote(ONE);
    clock.jump(1000);
    await settled();
  };
  for (let i = 0; i < 10; i++) await second();
  const before = ticksIn(client.read()).length;
  expect(before).toBeLessThan(4);
  await settled();
  await second();
  expect(ticksIn(client.read())).toMatchObject([{ flows: 1 }]);
});

test('a tick that waits for the store while the server stops is dropped', async () => {
  const counted = gate<number>();
  const { clock, hub, wrote } = setUp({}, () => counted.promise);
  const client = hub.connect();
  client.read();
  wrote(ONE);
  clock.jump(1000);
  const ended = once(client.resume(), 'end');
  hub.stop();
  hub.stop();
  counted.resolve(9);
  await ended;
  await settled();
  expect(client.errored).toBeNull();
});

test('who has most streams gives way to others, and is refused more', async () => {
  const { hub, clock, wrote } = setUp({ liveClientsMax: 4 });
  const [first, ...others] = Array.from({ length: 4 }, () => hub.connect('10.0.0.1'));
  const ended = once(first!.resume(), 'end');
  const newcomer = hub.connect('10.0.0.2');
  await ended;
  // Three and one: one more for the second is fair, one more for the first is not.
  expect(() => hub.connect('10.0.0.1')).toThrow(
    expect.objectContaining({ code: 'ERR_CONSOLE_BUSY' }),
  );
  hub.connect('10.0.0.2');
  expect(() => hub.connect('10.0.0.2')).toThrow(
    expect.objectContaining({ code: 'ERR_CONSOLE_BUSY' }),
  );
  wrote(ONE);
  clock.jump(1000);
  await settled();
  for (const client of [others[1]!, others[2]!, newcomer]) {
    expect(ticksIn(client.read())).toHaveLength(1);
  }
});

test('one more than the most is refused', async () => {
  const { hub } = setUp({ liveClientsMax: 1 });
  const first = hub.connect();
  expect(() => hub.connect()).toThrow(
    expect.objectContaining({ code: 'ERR_CONSOLE_BUSY', context: { retryAfterS: 30 } }),
  );
  const gone = once(first, 'close');
  first.destroy();
  await gone;
  expect(() => hub.connect()).not.toThrow();
});

/** Reads a stream until its text contains the wanted part. */
async function readUntil(stream: Readable, wanted: RegExp): Promise<string> {
  let text = '';
  for await (const piece of stream.iterator({ destroyOnReturn: false })) {
    text += String(piece);
    if (wanted.test(text)) return text;
  }
  throw new Error(`the stream ended before ${wanted}: ${text}`);
}

test('over HTTP: ticks arrive as events, and leaving is noticed', async () => {
  let listener: (written: WrittenRows) => void = () => undefined;
  await using console = await running(
    {},
    {
      store: fakeStore(),
      subscribe: (subscriber) => {
        listener = subscriber;
        return { [Symbol.dispose]: () => undefined };
      },
    },
  );
  const outgoing = request({
    port: console.port,
    host: '127.0.0.1',
    path: '/api/live',
    headers: { 'accept-encoding': 'gzip, br, zstd' },
  });
  outgoing.on('error', () => undefined);
  outgoing.end();
  const [answer] = await once(outgoing, 'response');
  expect(answer.statusCode).toBe(200);
  expect(answer.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  expect(answer.headers).not.toHaveProperty('content-encoding');
  await readUntil(answer, /retry: 3000\n\n/);
  listener(ONE);
  console.clock.jump(1000);
  const text = await readUntil(answer, /event: tick\n.*\n\n/);
  expect(ticksIn(text)).toMatchObject([{ flows: 1, bytes: 100, packets: 2, rows: 3 }]);
  const clients = () => metricValue(console.metrics, 'netobserv_console_live_clients');
  expect(await clients()).toBe(1);
  outgoing.destroy();
  await expect.poll(clients).toBe(0);
});

test('over HTTP: the end of the server ends the streams', async () => {
  const console = await running();
  const outgoing = request({ port: console.port, host: '127.0.0.1', path: '/api/live' });
  outgoing.end();
  const [answer] = await once(outgoing, 'response');
  const ended = once(answer.resume(), 'end');
  await console.server.stop();
  await ended;
});

test('a stream ends in time, so that none outlives who opened it for long', async () => {
  const { clock, hub, metrics } = setUp({ liveStreamMaxMs: 60_000 });
  const old = hub.connect();
  const ended = once(old, 'end');
  const closed = once(old, 'close');
  old.resume();
  clock.jump(59_000);
  const young = hub.connect();
  await settled();
  expect(old.readableEnded).toBe(false);
  clock.jump(1000);
  await ended;
  await closed;
  expect(young.readableEnded).toBe(false);
  expect(await metricValue(metrics, 'console_live_clients')).toBe(1);
});
