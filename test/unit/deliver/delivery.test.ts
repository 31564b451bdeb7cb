import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { createExportMetrics } from '../../../src/agent/export/metrics.ts';
import { type ErrorRow, NetobservError } from '../../../src/base/errors.ts';
import { Delivery, type DeliveryLimits, type Target } from '../../../src/deliver/delivery.ts';
import type { Message } from '../../../src/deliver/message.ts';
import { NET_ERRORS } from '../../../src/net/errors.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { errorRow } from '../../support/error-row.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const LIMITS: DeliveryLimits = {
  batchesMax: 4,
  bytesMax: 10_000,
  attemptTimeoutMs: 1000,
  deadlineMs: 10_000,
  drainTimeoutMs: 5000,
  backoff: { firstMs: 100, maxMs: 1000 },
};

type Answer = 'ok' | 'retry' | 'refuse' | 'unanswered' | 'never';

const ERRORS: Readonly<Record<Exclude<Answer, 'ok'>, ErrorRow>> = {
  retry: NET_ERRORS.send,
  refuse: NET_ERRORS.refused,
  unanswered: NET_ERRORS.unanswered,
  never: NET_ERRORS.unanswered,
};

function message(flows = 1): Message {
  return { bytes: new Uint8Array(100), amount: { flows, packets: flows * 2, bytes: flows * 50 } };
}

/**
 * A collector that gives these answers; the last one is repeated. It refuses some flows of each
 * message that it takes.
 */
function setUp(
  answers: readonly Answer[],
  limits: Partial<DeliveryLimits> = {},
  inFlightMax = 1,
  refused = 0,
) {
  const clock = new ManualClock();
  const received: Message[] = [];
  let calls = 0;
  let running = 0;
  let runningMax = 0;
  const target: Target = {
    inFlightMax,
    async send(sent, signal) {
      const answer = answers[Math.min(calls++, answers.length - 1)]!;
      runningMax = Math.max(runningMax, ++running);
      // A collector that never answers ignores the signal, too.
      if (answer === 'never') {
        signal.addEventListener('abort', () => running--);
        await new Promise(() => undefined);
      }
      await Promise.resolve();
      running--;
      if (answer !== 'ok') {
        throw new NetobservError(ERRORS[answer], answer, { retryable: answer === 'retry' });
      }
      received.push(sent);
      return { flows: refused };
    },
  };
  const registry = createMetrics('t_');
  const metrics = createExportMetrics(registry, 'grpc');
  const delivery = new Delivery(
    { ...LIMITS, ...limits },
    { target, clock, log: pino({ level: 'silent' }), metrics, random: () => 0.5 },
  );
  const value = async (name: string, labels: Record<string, string> = {}): Promise<number> => {
    const metric = await registry.registry.getSingleMetric(`t_${name}`)!.get();
    return metric.values
      .filter((entry) => Object.entries(labels).every(([key, want]) => entry.labels[key] === want))
      .reduce((sum, entry) => sum + entry.value, 0);
  };
  return {
    clock,
    received,
    delivery,
    metrics,
    value,
    calls: () => calls,
    runningMax: () => runningMax,
  };
}

test('what is offered is sent in its order, and counted', async () => {
  const { delivery, received, value, clock } = setUp(['ok']);
  const messages = [message(1), message(2), message(3)];
  await delivery.start();
  for (const one of messages) expect(delivery.offer([one])).toBe(true);
  await clock.advance(0);
  await delivery.stop();

  expect(received).toEqual(messages);
  expect(await value('exporter_sent_flows_total')).toBe(6);
  expect(await value('exporter_sent_packets_total')).toBe(12);
  expect(await value('exporter_sent_bytes_total')).toBe(300);
  expect(await value('exported_batch_total', { exporter: 'grpc' })).toBe(3);
  expect(await value('evicted_flows_total', { source: 'grpc', reason: '' })).toBe(6);
  expect(await value('exporter_spool_messages')).toBe(0);
  expect(await value('exporter_spool_bytes')).toBe(0);
  expect(clock.waiting).toBe(0);
});

test('flows that the collector refuses from a message that it took are lost', async () => {
  const { delivery, value, clock } = setUp(['ok'], {}, 1, 2);
  const arrived: number[] = [];
  const lost: (readonly [number, string])[] = [];
  await delivery.start();
  delivery.offer([message(5), message(1)], {
    arrived: (rows) => arrived.push(rows),
    lost: (rows, reason) => lost.push([rows, reason]),
  });
  await clock.advance(0);
  await delivery.stop();
  expect(arrived).toEqual([3, 0]);
  expect(lost).toEqual([
    [2, 'refused'],
    [1, 'refused'],
  ]);
  expect(await value('exporter_sent_flows_total')).toBe(3);
  expect(await value('exporter_sent_packets_total')).toBe(6);
  expect(await value('exporter_lost_flows_total', { reason: 'refused' })).toBe(3);
  expect(await value('exporter_lost_bytes_total', { reason: 'refused' })).toBe(150);
  expect(delivery.backlog()).toEqual({ flows: 0, packets: 0, bytes: 0 });
});

test('a collector that comes back gets everything', async () => {
  const { delivery, received, value, clock } = setUp(['retry', 'retry', 'retry', 'ok']);
  await delivery.start();
  delivery.offer([message()]);
  delivery.offer([message()]);
  await clock.advance(99);
  expect(received).toHaveLength(0);
  expect(delivery.backlog().flows).toBe(2);

  await clock.advance(1000);

  expect(received).toHaveLength(2);
  expect(await value('exporter_retries_total')).toBe(3);
  expect(await value('errors_total', { component: 'grpc' })).toBe(3);
  expect(delivery.backlog()).toEqual({ flows: 0, packets: 0, bytes: 0 });
  await delivery.stop();
});

test.each([
  // collector, reason, attempts
  ['refuse', 'refused', 1],
  ['never', 'timeout', 1],
  ['unanswered', 'unanswered', 1],
  // Waits of 75, 150, 300 and 600 ms, then of 750 ms: the 16th would end after the deadline.
  ['retry', 'expired', 16],
] as const)(
  'what a collector that says %s does not get is lost as %s',
  async (answer, reason, attempts) => {
    const { delivery, received, value, clock, calls } = setUp([answer]);
    await delivery.start();
    delivery.offer([message(5)]);
    await clock.advance(11_000);

    expect(received).toHaveLength(0);
    expect(calls()).toBe(attempts);
    expect(await value('exporter_lost_flows_total', { reason })).toBe(5);
    expect(await value('exporter_lost_packets_total', { reason })).toBe(10);
    expect(await value('exporter_lost_bytes_total', { reason })).toBe(250);
    expect(await value('dropped_flows_total', { source: 'grpc', reason })).toBe(5);
    expect(await value('exporter_sent_flows_total')).toBe(0);
    await delivery.stop();
    expect(clock.waiting).toBe(0);
  },
);

test('a dead collector fills the spool and no more; what finds no room is refused at once', async () => {
  const { delivery } = setUp(['never']);
  await delivery.start();
  const taken = Array.from({ length: 6 }, () => delivery.offer([message()]));

  expect(taken).toEqual([true, true, true, true, false, false]);
  expect(delivery.backlog().flows).toBe(4);
});

test('as many messages are in flight as the transport allows', async () => {
  const { delivery, clock, runningMax } = setUp(['never'], {}, 3);
  await delivery.start();
  for (let i = 0; i < 4; i++) delivery.offer([message()]);
  await clock.advance(10);

  expect(runningMax()).toBe(3);
});

describe('lanes', () => {
  /**
   * A collector that never answers for lane 0 and takes the rest; flows without a lane in parts.
   */
  function laneBed() {
    const bed = setUp(['ok']);
    const received: Message[] = [];
    const target: Target = {
      inFlightMax: 1,
      async send(sent) {
        if (sent.lane === undefined) return [0, 1, 2].map((lane) => ({ ...message(5), lane }));
        if (sent.lane === 0)
          throw new NetobservError(errorRow('ERR_X'), 'no leader', { retryable: true });
        received.push(sent);
      },
    };
    const deps = { target, clock: bed.clock, random: () => 0.5, metrics: bed.metrics };
    const delivery = new Delivery(LIMITS, { ...deps, log: pino({ level: 'silent' }) });
    return { ...bed, delivery, received };
  }
  const inLane = (lane: number): Message => ({ ...message(), lane });

  test('one that is stuck fills up and loses its own; the others go on', async () => {
    const { delivery, received, value, clock } = laneBed();
    await delivery.start();
    for (let times = 0; times < 10; times++) {
      expect(delivery.offer([inLane(0), inLane(1), inLane(2)])).toBe(true);
      await clock.advance(10);
    }
    expect(received).toHaveLength(20);
    expect(delivery.backlog().flows).toBe(LIMITS.batchesMax);
    expect(await value('exporter_lost_flows_total', { reason: 'full' })).toBe(6);
    expect(await value('exporter_spool_messages')).toBe(LIMITS.batchesMax);
    // A batch only for the stuck lane has no room at all.
    expect(delivery.offer([inLane(0)])).toBe(false);
  });

  test('what comes back in parts is sent in them, also behind a part that is stuck', async () => {
    const { delivery, received, clock } = laneBed();
    await delivery.start();
    for (let times = 0; times < 3; times++) delivery.offer([message(15)]);
    await clock.advance(10);
    expect(received.map(({ lane }) => lane).sort()).toEqual([1, 1, 1, 2, 2, 2]);
    expect(delivery.backlog().flows).toBe(15);
  });
});

test('stopping sends what waits', async () => {
  const { delivery, received, clock } = setUp(['retry', 'ok']);
  await delivery.start();
  for (let i = 0; i < 3; i++) delivery.offer([message()]);
  const stopped = delivery.stop();
  await clock.advance(2000);
  await stopped;

  expect(received).toHaveLength(3);
  expect(clock.waiting).toBe(0);
});

test('what a dead collector does not take by the end is lost, and counted', async () => {
  const { delivery, value, clock } = setUp(['never'], { attemptTimeoutMs: 60_000 }, 2);
  await delivery.start();
  for (let i = 0; i < 4; i++) delivery.offer([message()]);
  const stopped = delivery.stop();
  await clock.advance(LIMITS.drainTimeoutMs);
  await stopped;

  expect(await value('exporter_lost_flows_total', { reason: 'closing' })).toBe(4);
  expect(delivery.backlog().flows).toBe(0);
  expect(delivery.offer([message()])).toBe(false);
  expect(clock.waiting).toBe(0);
});

test('handed = sent + lost + backlog, whatever the collector does and whenever one looks', async () => {
  const answers = fc.array(
    fc.constantFrom<Answer>('ok', 'retry', 'refuse', 'unanswered', 'never'),
    {
      minLength: 1,
      maxLength: 12,
    },
  );
  const steps = fc.array(
    fc.record({
      flows: fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 3 }),
      waitMs: fc.integer({ min: 0, max: 3000 }),
    }),
    { minLength: 1, maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(answers, steps, fc.integer({ min: 1, max: 3 }), async (told, todo, width) => {
      const { delivery, received, value, clock } = setUp(told, {}, width);
      await delivery.start();
      let handed = 0;
      const check = async (): Promise<void> => {
        const sent = await value('exporter_sent_flows_total');
        const lost = await value('exporter_lost_flows_total');
        expect(sent + lost + delivery.backlog().flows).toBe(handed);
        expect(received.reduce((sum, { amount }) => sum + amount.flows, 0)).toBe(sent);
      };
      for (const { flows, waitMs } of todo) {
        const messages = flows.map((count) => message(count));
        if (delivery.offer(messages)) handed += flows.reduce((sum, count) => sum + count, 0);
        await clock.advance(waitMs);
        await check();
      }
      const stopped = delivery.stop();
      await clock.advance(60_000);
      await stopped;
      await check();
      expect(delivery.backlog().flows).toBe(0);
      expect(clock.waiting).toBe(0);
    }),
    { numRuns: 60 },
  );
});

describe('at the end', () => {
  test('nobody waits longer for a collector that is not there than it takes to be back', async () => {
    const { delivery, value, clock } = setUp(['retry']);
    await delivery.start();
    delivery.offer([message(3)]);
    await clock.advance(2000);
    const stopped = delivery.stop();
    await clock.advance(1000);
    await stopped;
    expect(await value('exporter_lost_flows_total', { reason: 'closing' })).toBe(3);
    expect(delivery.backlog().flows).toBe(0);
  });

  test('one that turns out not to be there then ends the waiting, too', async () => {
    const { delivery, value, clock } = setUp(['never', 'retry'], { attemptTimeoutMs: 2000 });
    await delivery.start();
    delivery.offer([message(1)]);
    delivery.offer([message(2)]);
    await clock.advance(0);
    const stopped = delivery.stop();
    await clock.advance(2100);
    await stopped;
    expect(await value('exporter_lost_flows_total', { reason: 'timeout' })).toBe(1);
    expect(await value('exporter_lost_flows_total', { reason: 'closing' })).toBe(2);
  });

  test('what waits for its next attempt makes it at once, and arrives if it can', async () => {
    const { delivery, received, clock } = setUp(['retry', 'retry', 'retry', 'ok'], {
      backoff: { firstMs: 100, maxMs: 60_000 },
    });
    await delivery.start();
    delivery.offer([message()]);
    await clock.advance(200);
    expect(received).toHaveLength(0);
    const stopped = delivery.stop();
    await clock.advance(1000);
    await stopped;
    expect(received).toHaveLength(1);
  });
});
