import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { Delivery, type DeliveryLimits, type Target } from '../../../src/deliver/delivery.ts';
import { ipfixColumns } from '../../../src/deliver/encoders/ipfix.ts';
import type { Message, Settlement } from '../../../src/deliver/message.ts';
import { createDeliveryMetrics } from '../../../src/deliver/metrics.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { appendRow } from '../../../src/flow/row.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import type { Fault } from '../net/faulty-proxy.ts';
import type { Receiver } from './receivers.ts';

/**
 * The guarantees of every output, however its receiver fails: it never makes its source wait,
 * `handed = arrived + lost + waiting` holds at any time, each row is settled once, rows that count
 * as arrived are there, nothing is there twice, and the end comes in time.
 */

export const LIMITS: DeliveryLimits = {
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

/** An outlet, or a sink that behaves like one. */
interface AnyOutlet {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<unknown>;
  offer(batch: FlowBatch, settlement: Settlement): boolean;
  backlog(): { readonly flows: number };
}

export interface Way {
  readonly receiver: Receiver;
  readonly outlet: AnyOutlet;
  become(fault: Fault): Promise<void>;
}

export interface Row {
  readonly make: () => Promise<Way>;
  /** Its protocol has answers, so arrived means received. */
  readonly hasAnswers: boolean;
  /** A message whose connection broke is sent again, although the receiver may have it. */
  readonly mayRepeat?: boolean;
}

const LAYOUT = new BatchLayout(
  ipfixColumns(
    agentColumns(new Set()).filter(({ name }) => !['InIf', 'OutIf'].includes(name)),
    0,
  ),
);

export const log = pino({ level: 'silent' });

/** A delivery with the limits of the suite. */
export function delivery<M extends Message>(target: Target<M>): Delivery<M> {
  const metrics = createDeliveryMetrics(createMetrics(''), 'test');
  return new Delivery<M>(LIMITS, { target, clock: systemClock, log, metrics, random: () => 0.5 });
}

export const selected = ({ selected: rows }: FlowBatch): number => rows;

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

/** Tests an output against a receiver that fails in every way. */
export function describeConformance(name: string, row: Row): void {
  const { make, hasAnswers, mayRepeat = false } = row;
  describe(name, () => {
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
      const marks = await receiver.marks();
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
}
