import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { BufferPool } from '../../../src/deliver/buffer-pool.ts';
import { Delivery, type DeliveryLimits } from '../../../src/deliver/delivery.ts';
import { IpfixEncoder, ipfixColumns } from '../../../src/deliver/encoders/ipfix.ts';
import { jsonLinesEncoder } from '../../../src/deliver/encoders/json-lines.ts';
import { recordsEncoder } from '../../../src/deliver/encoders/pbflow.ts';
import type { Message } from '../../../src/deliver/message.ts';
import { createDeliveryMetrics } from '../../../src/deliver/metrics.ts';
import { Outlet } from '../../../src/deliver/outlet.ts';
import { GrpcTarget } from '../../../src/deliver/targets/grpc.ts';
import { HttpTarget } from '../../../src/deliver/targets/http.ts';
import { IpfixTcp } from '../../../src/deliver/targets/ipfix.ts';
import { StreamTarget } from '../../../src/deliver/targets/stream.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { appendRow } from '../../../src/flow/row.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { type Fault, FaultyProxy } from '../../support/net/faulty-proxy.ts';
import { grpcReceiver, httpReceiver, ipfixReceiver, type Receiver } from './receivers.ts';

/**
 * The guarantees of every output, however its receiver fails: it never makes its source wait,
 * `handed = arrived + lost + waiting` holds at any time, each row is settled once, rows that count
 * as arrived are there, nothing is there twice, and the end comes in time.
 */

const LIMITS: DeliveryLimits = {
  batchesMax: 16,
  bytesMax: 2 ** 20,
  attemptTimeoutMs: 1000,
  deadlineMs: 3000,
  drainTimeoutMs: 1000,
  backoff: { firstMs: 10, maxMs: 60 },
};
const BATCHES = 40;
const ROWS = 10;
/** Time limit of a stop, beyond `drainTimeoutMs`. */
const GRACE_MS = 3000;

type AnyOutlet = Pick<Outlet<FlowBatch>, 'start' | 'stop' | 'offer' | 'backlog' | 'readiness'>;

interface Way {
  readonly receiver: Receiver;
  readonly outlet: AnyOutlet;
  become(fault: Fault): Promise<void>;
}

interface Row {
  readonly make: () => Promise<Way>;
  /** Its protocol has answers, so arrived means received. */
  readonly hasAnswers: boolean;
  /** A message whose connection broke is sent again, although the receiver may have it. */
  readonly mayRepeat?: boolean;
}

const log = pino({ level: 'silent' });
const LAYOUT = new BatchLayout(
  ipfixColumns(
    agentColumns(new Set()).filter(({ name }) => !['InIf', 'OutIf'].includes(name)),
    0,
  ),
);

function delivery<M extends Message>(
  target: ConstructorParameters<typeof Delivery<M>>[1]['target'],
) {
  const metrics = createDeliveryMetrics(createMetrics(''), 'test');
  return new Delivery<M>(LIMITS, { target, clock: systemClock, log, metrics, random: () => 0.5 });
}

const selected = ({ selected: rows }: FlowBatch): number => rows;

async function proxied(receiver: Receiver): Promise<FaultyProxy> {
  const proxy = new FaultyProxy(receiver.port);
  await proxy.start();
  onTestFinished(async () => await proxy[Symbol.asyncDispose]());
  return proxy;
}

async function grpcWay(): Promise<Way> {
  const receiver = await grpcReceiver();
  const proxy = await proxied(receiver);
  const target = new GrpcTarget(
    {
      ...{ host: '127.0.0.1', port: proxy.port, tls: undefined },
      ...{ method: '/pbflow.Collector/Send', messageBytesMax: 2 ** 20, inFlightMax: 4 },
      ...{ attemptTimeoutMs: LIMITS.attemptTimeoutMs, reconnectMs: 0, reconnectJitterMs: 0 },
    },
    { clock: systemClock, log, random: () => 0.5 },
  );
  const encoder = recordsEncoder(new BufferPool(), { flowsMax: 1000, bytesMax: 2 ** 20 });
  const outlet = new Outlet(encoder, delivery(target), selected);
  return { receiver, outlet, become: (fault) => proxy.become(fault) };
}

async function httpWay(): Promise<Way> {
  const receiver = await httpReceiver();
  const proxy = await proxied(receiver);
  const target = new HttpTarget(
    {
      url: `http://127.0.0.1:${proxy.port}/push?x=1`,
      inFlightMax: 4,
      answerTimeoutMs: LIMITS.attemptTimeoutMs,
      isIdempotent: false,
      headers: () => ({ 'content-type': 'application/x-ndjson' }),
    },
    { renewed: () => undefined, refused: () => undefined },
  );
  const outlet = new Outlet(jsonLinesEncoder(), delivery(target), selected);
  return { receiver, outlet, become: (fault) => proxy.become(fault) };
}

async function ipfixWay(): Promise<Way> {
  const receiver = await ipfixReceiver();
  const proxy = await proxied(receiver);
  const encoder = new IpfixEncoder({
    ...{ messageMaxBytes: 1024, burstMessages: 1, enterprise: 0 },
    ...{ shortFlags: false, samplingOption: 0 },
  });
  const target = new IpfixTcp({
    ...{ host: '127.0.0.1', port: proxy.port, clock: systemClock, log },
    preamble: () => encoder.preamble(),
  });
  const outlet = new Outlet(encoder, delivery(target), selected);
  return { receiver, outlet, become: (fault) => proxy.become(fault) };
}

/** A stream whose reader fails in the same ways; `dead` is a reader that is gone for good. */
async function streamWay(): Promise<Way> {
  const marks: number[] = [];
  let fault: Fault = 'healthy';
  let stuck: (() => void) | undefined;
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      const take = (): void => {
        const lines = piece.toString().trimEnd().split('\n');
        marks.push(...lines.map((line) => Number(JSON.parse(line).Bytes)));
        done();
      };
      if (fault === 'dead') done(new Error('EPIPE'));
      else if (fault === 'hung' || fault === 'half') stuck = take;
      else if (fault === 'slow') setTimeout(take, 20);
      else take();
    },
  });
  stream.on('error', () => undefined);
  const target = new StreamTarget(stream, 'the stream');
  const outlet = new Outlet(jsonLinesEncoder(), delivery(target), selected);
  const become = async (next: Fault): Promise<void> => {
    fault = next;
    if (next === 'hung' || next === 'half') return;
    stuck?.();
    stuck = undefined;
  };
  return { receiver: { port: 0, marks: () => marks }, outlet, become };
}

const WAYS: Readonly<Record<string, Row>> = {
  grpc: { make: grpcWay, hasAnswers: true, mayRepeat: true },
  http: { make: httpWay, hasAnswers: true },
  'ipfix+tcp': { make: ipfixWay, hasAnswers: false },
  stream: { make: streamWay, hasAnswers: true },
};

class Totals {
  handed = 0;
  arrived = 0;
  lost = 0;
  readonly reasons = new Set<string>();

  /** The settlement of one batch: no more rows are settled than it has. */
  settlement(rows: number) {
    let open = rows;
    const settle = (count: number): void => {
      open -= count;
      expect(open).toBeGreaterThanOrEqual(0);
    };
    return {
      arrived: (count: number): void => {
        settle(count);
        this.arrived += count;
      },
      lost: (count: number, reason: string): void => {
        settle(count);
        this.lost += count;
        this.reasons.add(reason);
      },
    };
  }
}

function handOver(outlet: AnyOutlet, tables: TableSpace, totals: Totals, number: number): void {
  const batch = new FlowBatch(LAYOUT, tables.current, ROWS);
  for (let row = 0; row < ROWS; row++) {
    const mark = number * ROWS + row + 1;
    const flow = { SrcAddr: '10.0.0.1', DstAddr: '10.0.0.2', Etype: 0x0800, Proto: 17 };
    appendRow(batch, { ...flow, SrcPort: 1, DstPort: 2, Packets: 1, Bytes: mark }, new Map());
  }
  const startMs = performance.now();
  const settlement = totals.settlement(ROWS);
  const isTaken = outlet.offer(batch, settlement);
  // The scheduler may delay an offer; it never waits for a receiver.
  expect(performance.now() - startMs).toBeLessThan(LIMITS.attemptTimeoutMs);
  if (isTaken) totals.handed += ROWS;
}

describe.each(Object.entries(WAYS))('%s', (_name, { make, hasAnswers, mayRepeat = false }) => {
  test.each([
    ['healthy', 'healthy'],
    ['slow', 'slow'],
    ['dead', 'dead'],
    ['dead', 'healthy'],
    ['hung', 'hung'],
    ['hung', 'healthy'],
    ['flapping', 'healthy'],
    ['half', 'healthy'],
    ['healthy', 'dead'],
  ] as const)('a receiver that is %s, then %s', async (fault, then) => {
    const { outlet, receiver, become } = await make();
    const tables = new TableSpace();
    const totals = new Totals();
    const check = (): void => {
      expect(totals.arrived + totals.lost + outlet.backlog().flows).toBe(totals.handed);
    };
    await become(fault);
    await outlet.start(new AbortController().signal);
    for (let batch = 0; batch < BATCHES; batch++) {
      if (batch === BATCHES / 2) await become(then);
      handOver(outlet, tables, totals, batch);
      check();
      await sleep(10);
      check();
    }
    const stopMs = performance.now();
    await outlet.stop();
    expect(performance.now() - stopMs).toBeLessThan(LIMITS.drainTimeoutMs + GRACE_MS);
    check();
    expect(outlet.backlog().flows).toBe(0);
    await sleep(50);
    const marks = receiver.marks();
    const { size } = new Set(marks);
    if (!mayRepeat) expect(marks.length).toBe(size);
    if (hasAnswers) expect(size).toBeGreaterThanOrEqual(totals.arrived);
    expect(size).toBeLessThanOrEqual(totals.handed);
    if (fault === 'healthy' && then === 'healthy') {
      expect(totals).toMatchObject({ handed: BATCHES * ROWS, arrived: BATCHES * ROWS, lost: 0 });
      expect(marks.length).toBe(BATCHES * ROWS);
    }
    // A recovered receiver gets flows again; a failed stream never does.
    if (then === 'healthy' && receiver.port !== 0) expect(totals.arrived).toBeGreaterThan(0);
    if (fault === then && (fault === 'dead' || fault === 'hung') && hasAnswers) {
      expect(totals.arrived).toBe(0);
    }
  });
});
