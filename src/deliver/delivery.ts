import { type BackoffLimits, backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import type { Component } from '../base/component.ts';
import { explain, hasCode, NetobservError } from '../base/errors.ts';
import { NET_ERRORS } from '../net/errors.ts';
import type { HealthState } from '../telemetry/health.ts';
import type { Log } from '../telemetry/log.ts';
import {
  type FlowAmount,
  type LossReason,
  type Message,
  NO_FLOWS,
  type Settlement,
} from './message.ts';
import type { DeliveryMetrics } from './metrics.ts';
import { Spool, type SpoolLimits } from './spool.ts';

/** The receiver took a message except for some flows. It does not say which. */
export interface Refused {
  readonly flows: number;
}

/** Brings messages to their receiver. */
export interface Target<M extends Message = Message> {
  /** Calls of `send` at the same time, for each lane. With 1, messages are sent in order. */
  readonly inFlightMax: number;
  /** Called once, before the first message. It reads files; it does not wait for the receiver. */
  open?(): Promise<void>;
  /**
   * Resolves when the receiver has the message, perhaps without some of its flows; or with the
   * parts in which it has to be sent; the receiver has none of them then. Rejects with a
   * `NetobservError`: with a retryable one when sending the same message again may help and cannot
   * be counted twice by the receiver. Among other errors, `ERR_NET_UNANSWERED` means that the
   * receiver may have the message. After the signal nothing waits for the outcome, and the target
   * releases its resources for the call.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: most targets have nothing to return.
  send(message: M, signal: AbortSignal): Promise<readonly M[] | Refused | void>;
  /** Called once, after the last message. */
  close?(): Promise<void>;
}

export interface DeliveryLimits extends SpoolLimits {
  /** Longest wait for an answer. A message without an answer counts as lost. */
  readonly attemptTimeoutMs: number;
  /** Time from a message's first attempt to its last. */
  readonly deadlineMs: number;
  /** Time at the end for all waiting messages. It is cut short when the receiver is unreachable. */
  readonly drainTimeoutMs: number;
  readonly backoff: BackoffLimits;
}

export const DELIVERY_DEFAULTS = {
  attemptTimeoutMs: 15_000,
  deadlineMs: 120_000,
  drainTimeoutMs: 10_000,
  backoff: { firstMs: 250, maxMs: 10_000 },
} as const;

/** Time at the end for a receiver that could not be reached: it may be back in a moment. */
const LAST_CHANCE_MS = 1000;

export interface DeliveryDeps<M extends Message> {
  readonly target: Target<M>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: DeliveryMetrics;
  /** A number from 0 to 1. */
  readonly random: () => number;
}

/**
 * Sends the messages of a spool, and sends them again while that may help.
 *
 * `offer` never waits. At any time, `handed = arrived + lost + backlog` holds for all flows that
 * were offered and taken.
 */
export class Delivery<M extends Message = Message> implements Component {
  readonly #limits: DeliveryLimits;
  readonly #deps: DeliveryDeps<M>;
  readonly #spool: Spool<M>;
  readonly #closing = new AbortController();
  #inFlight = 0;
  #isRunning = false;
  #onIdle: (() => void) | undefined;
  #onRoom: PromiseWithResolvers<void> | undefined;
  #ending: AbortSignal | undefined;
  #lostAtEnd = 0;
  /** The log shows that the receiver refuses parts of messages. */
  #hasWarned = false;
  #draining: Promise<void> | undefined;
  #onFailure: (() => void) | undefined;
  /** Aborted to make the next attempts at once. */
  #hurrying = new AbortController();
  /** Lanes whose messages cannot be delivered: the reason, and the flows lost so far. */
  readonly #failing = new Map<number, { readonly why: string; lost: number }>();

  constructor(limits: DeliveryLimits, deps: DeliveryDeps<M>) {
    this.#limits = limits;
    this.#deps = deps;
    this.#spool = new Spool(limits);
  }

  /**
   * Takes the messages of one batch. False: there is no room, and none was taken. When some lanes
   * have room and others have not, the messages for the others are lost.
   */
  offer(messages: readonly M[], settlement?: Settlement): boolean {
    if (this.#closing.signal.aborted) return false;
    const refused = this.#spool.offer(messages, settlement);
    if (refused.length > 0 && refused.length === messages.length) return false;
    for (const message of refused) this.#countLost(message, 'full', settlement);
    this.#showSpool();
    this.#pump();
    return true;
  }

  /** True when `offer` would refuse any batch, so that encoding one is useless. */
  isFull(): boolean {
    return this.#spool.isFull;
  }

  /** Resolves when `isFull` is over. Undefined: there is room now. */
  whenRoom(): Promise<void> | undefined {
    if (this.#closing.signal.aborted || !this.isFull()) return undefined;
    this.#onRoom ??= Promise.withResolvers();
    return this.#onRoom.promise;
  }

  /** Ready while messages are taken and delivered. */
  readiness(): HealthState {
    if (this.isFull()) return { ok: false, reason: 'as much waits to be sent as may' };
    const [failing] = this.#failing.values();
    if (failing === undefined) return { ok: true };
    return { ok: false, reason: `cannot deliver: ${failing.why}` };
  }

  /** All flows that were taken and have neither arrived nor been lost. */
  backlog(): FlowAmount {
    return this.#spool.backlog();
  }

  /** Flows that were lost since the signal of `start`. */
  get lostAtEnd(): number {
    return this.#lostAtEnd;
  }

  /** The signal has no effect here: messages are sent until `stop`, which has its own deadline. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#ending = signal;
    await this.#deps.target.open?.();
    this.#isRunning = true;
    this.#pump();
  }

  /** Sends waiting messages for at most `drainTimeoutMs`; the rest is lost, and counted. */
  async stop(): Promise<void> {
    const { log, target } = this.#deps;
    await this.drain();
    this.#isRunning = false;
    this.#closing.abort(new Error('the delivery is closing'));
    this.#hurrying.abort();
    const { flows } = this.#spool.backlog();
    for (let message = this.#spool.take(); message !== undefined; message = this.#spool.take()) {
      this.#lose(message, 'closing');
    }
    // Those in flight have seen the signal: they end without waiting for anything.
    while (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    this.#onRoom?.resolve();
    if (flows > 0) log.warn({ flows }, 'flows could not be delivered before the end');
    await target.close?.();
  }

  /** Resolves when all is sent, `drainTimeoutMs` is over, or the receiver stays unreachable. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
    return this.#draining;
  }

  async #drain(): Promise<void> {
    if (!this.#isRunning || this.#spool.messages === 0) return;
    const { clock } = this.#deps;
    const { drainTimeoutMs } = this.#limits;
    const over = new AbortController();
    const wait = (ms: number): Promise<void> => clock.sleep(ms, over.signal).catch(() => undefined);
    const idle = new Promise<true>((resolve) => {
      this.#onIdle = () => resolve(true);
    });
    const chanceMs = Math.min(LAST_CHANCE_MS, drainTimeoutMs);
    this.#hurrying.abort();
    this.#hurrying = new AbortController();
    const isIdle = await Promise.race([idle, wait(chanceMs).then(() => false)]);
    if (!isIdle && !this.#isHopeless()) {
      const hopeless = new Promise<void>((resolve) => {
        this.#onFailure = () => {
          if (this.#isHopeless()) resolve();
        };
      });
      await Promise.race([idle, hopeless, wait(drainTimeoutMs - chanceMs)]);
    }
    over.abort();
  }

  /** The last attempt failed in every lane that has messages. */
  #isHopeless(): boolean {
    return this.#spool.lanes().every((lane) => this.#failing.has(lane));
  }

  #pump(): void {
    while (this.#isRunning) {
      const message = this.#spool.take(this.#deps.target.inFlightMax);
      if (message === undefined) break;
      this.#inFlight++;
      void this.#deliver(message).finally(() => {
        this.#inFlight--;
        this.#pump();
        if (this.#inFlight === 0) this.#onIdle?.();
      });
    }
  }

  async #deliver(message: M): Promise<void> {
    const { clock, metrics, random } = this.#deps;
    const { deadlineMs, backoff } = this.#limits;
    const untilMs = clock.monotonicMs() + deadlineMs;
    for (let retry = 0; ; retry++) {
      const outcome = await this.#attempt(message);
      if (outcome.kind === 'sent') {
        this.#settleSent(message, Math.min(outcome.refused, message.amount.flows));
        return;
      }
      if (outcome.kind === 'divided') {
        this.#spool.divide(message, outcome.parts);
        return;
      }
      const waitMs = Math.max(backoffMs(retry, backoff, random), askedWaitMs(outcome.error));
      const loss = this.#lossOf(outcome, clock.monotonicMs() + waitMs > untilMs);
      if (loss !== 'closing') this.#reportFailure(message, outcome);
      if (loss !== undefined) {
        this.#lose(message, loss);
        return;
      }
      metrics.retry();
      await clock.sleep(waitMs, this.#hurrying.signal).catch(() => undefined);
    }
  }

  #lossOf(failure: Failure, isLast: boolean): LossReason | undefined {
    if (this.#closing.signal.aborted) return 'closing';
    if (failure.kind === 'timeout') return 'timeout';
    if (!failure.retryable) return isUnanswered(failure.error) ? 'unanswered' : 'refused';
    return isLast ? 'expired' : undefined;
  }

  /** Ends within the attempt's time, even if the target does not. */
  async #attempt(message: M): Promise<Outcome<M>> {
    const { clock, target } = this.#deps;
    const closing = this.#closing.signal;
    const over = new AbortController();
    const timer = new AbortController();
    const onClosing = (): void => timer.abort(closing.reason);
    closing.addEventListener('abort', onClosing, { once: true });
    if (closing.aborted) onClosing();
    const timeout = clock.sleep(this.#limits.attemptTimeoutMs, timer.signal).then(
      (): Failure => ({ kind: 'timeout', retryable: false, error: NO_ANSWER }),
      (error: unknown): Failure => ({ kind: 'error', retryable: false, error }),
    );
    const sent = target.send(message, over.signal).then(
      (result): Outcome<M> => {
        if (result === undefined) return { kind: 'sent', refused: 0 };
        if ('flows' in result) return { kind: 'sent', refused: result.flows };
        return { kind: 'divided', parts: result };
      },
      (error: unknown): Failure => ({
        kind: 'error',
        retryable: error instanceof NetobservError && error.retryable,
        error,
      }),
    );
    const outcome = await Promise.race([sent, timeout]);
    closing.removeEventListener('abort', onClosing);
    timer.abort();
    over.abort();
    return outcome;
  }

  #settleSent(message: M, refusedFlows: number): void {
    const { log, metrics } = this.#deps;
    const { amount } = message;
    const settlement = this.#settle(message);
    const refused = shareOf(amount, refusedFlows);
    const arrived = difference(amount, refused);
    metrics.sent(arrived);
    settlement?.arrived(arrived.flows);
    if (refused.flows > 0) this.#countRefused(refused, settlement);
    const failing = this.#failing.get(laneOf(message));
    if (failing === undefined) return;
    this.#failing.delete(laneOf(message));
    log.info({ lost: failing.lost, ...laneField(message) }, 'flows are delivered again');
  }

  /** Counts flows that the receiver refused from a message that it took, and logs the first. */
  #countRefused(refused: FlowAmount, settlement: Settlement | undefined): void {
    const { log, metrics } = this.#deps;
    metrics.lost(refused, 'refused');
    settlement?.lost(refused.flows, 'refused');
    if (this.#ending?.aborted === true) this.#lostAtEnd += refused.flows;
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    log.warn({ flows: refused.flows }, 'the receiver refuses some flows of its messages');
  }

  #lose(message: M, reason: LossReason): void {
    this.#countLost(message, reason, this.#settle(message));
  }

  #settle(message: M): Settlement | undefined {
    const settlement = this.#spool.settle(message);
    this.#showSpool();
    if (this.#onRoom !== undefined && !this.isFull()) {
      this.#onRoom.resolve();
      this.#onRoom = undefined;
    }
    return settlement;
  }

  #countLost(message: M, reason: LossReason, settlement: Settlement | undefined): void {
    const { flows } = message.amount;
    this.#deps.metrics.lost(message.amount, reason);
    settlement?.lost(flows, reason);
    if (this.#ending?.aborted === true) this.#lostAtEnd += flows;
    const failing = this.#failing.get(laneOf(message));
    if (failing !== undefined) failing.lost += flows;
  }

  /** Counts each failure, and logs the first one until a message of the lane is delivered. */
  #reportFailure(message: M, { kind, error }: Failure): void {
    const { log, metrics } = this.#deps;
    metrics.error(kind === 'timeout' ? 'Timeout' : 'CannotWriteMessage');
    if (!this.#failing.has(laneOf(message))) {
      const why = explain(error);
      log.warn({ error: why, ...laneField(message) }, 'flows cannot be delivered');
      this.#failing.set(laneOf(message), { why, lost: 0 });
    }
    this.#onFailure?.();
  }

  #showSpool(): void {
    this.#deps.metrics.spool(this.#spool.messages, this.#spool.bytes);
  }
}

interface Failure {
  readonly kind: 'error' | 'timeout';
  readonly retryable: boolean;
  readonly error: unknown;
}

type Outcome<M> =
  | { readonly kind: 'sent'; readonly refused: number }
  | { readonly kind: 'divided'; readonly parts: readonly M[] }
  | Failure;

/** The amount of some unknown flows of a message; packets and bytes are in proportion. */
function shareOf({ flows, packets, bytes }: FlowAmount, share: number): FlowAmount {
  if (share === 0 || flows === 0) return NO_FLOWS;
  const part = share / flows;
  return { flows: share, packets: Math.round(packets * part), bytes: Math.round(bytes * part) };
}

function difference(amount: FlowAmount, part: FlowAmount): FlowAmount {
  return {
    flows: amount.flows - part.flows,
    packets: amount.packets - part.packets,
    bytes: amount.bytes - part.bytes,
  };
}

const NO_ANSWER = new Error('the receiver did not answer in time');

const isUnanswered = (error: unknown): boolean => hasCode(error, NET_ERRORS.unanswered);

/** The wait that a busy receiver requested. */
function askedWaitMs(error: unknown): number {
  const waitMs = error instanceof NetobservError ? error.details.retryAfterMs : undefined;
  return typeof waitMs === 'number' ? waitMs : 0;
}

const laneOf = ({ lane }: Message): number => lane ?? 0;

/** For the log, where there are lanes. */
const laneField = ({ lane }: Message) => (lane === undefined ? {} : { lane });
