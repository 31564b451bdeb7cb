import { type BackoffLimits, backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import type { FlowAmount } from './exporter.ts';
import type { ExportMetrics, LossReason } from './metrics.ts';
import { Spool, type SpoolLimits, type SpoolMessage } from './spool.ts';

/** Brings messages to a collector. */
export interface Transport<Message extends SpoolMessage = SpoolMessage> {
  /** Calls of `send` at a time; with 1, messages are sent in their order. */
  readonly inFlightMax: number;
  /**
   * Resolves when the collector has the message. Rejects with a `NetobservError`: a retryable one
   * when sending the same again may help and does not make the collector count it twice. Once the
   * signal is aborted nobody waits for the outcome, and what it holds is to be let go.
   */
  send(message: Message, signal: AbortSignal): Promise<void>;
}

export interface DeliveryLimits extends SpoolLimits {
  /** Longest wait for an answer. Without one, the message counts as lost. */
  readonly attemptTimeoutMs: number;
  /** Time from a message's first attempt to the last. */
  readonly deadlineMs: number;
  /** Time at `stop` for all that waits. */
  readonly drainTimeoutMs: number;
  readonly backoff: BackoffLimits;
}

export const DELIVERY_DEFAULTS = {
  attemptTimeoutMs: 15_000,
  deadlineMs: 120_000,
  drainTimeoutMs: 10_000,
  backoff: { firstMs: 250, maxMs: 10_000 },
} as const;

export interface DeliveryDeps<Message extends SpoolMessage> {
  readonly transport: Transport<Message>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: ExportMetrics;
  /** From 0 to 1. */
  readonly random: () => number;
}

/**
 * Sends what waits in a spool, and sends it again while there is hope.
 *
 * `offer` never waits, so that whoever fills the spool does not either. Of all that was offered and
 * taken, `handed = sent + lost + backlog` holds at any time.
 */
export class Delivery<Message extends SpoolMessage = SpoolMessage> implements Component {
  readonly #limits: DeliveryLimits;
  readonly #deps: DeliveryDeps<Message>;
  readonly #spool: Spool<Message>;
  readonly #closing = new AbortController();
  #inFlight = 0;
  #isRunning = false;
  #onIdle: (() => void) | undefined;
  /** Of the last attempt; undefined: it succeeded. */
  #failure: string | undefined;
  #lostFlows = 0;

  constructor(limits: DeliveryLimits, deps: DeliveryDeps<Message>) {
    this.#limits = limits;
    this.#deps = deps;
    this.#spool = new Spool(limits);
  }

  /** The messages of one batch; false: there is no room, and none was taken. */
  offer(messages: readonly Message[]): boolean {
    if (this.#closing.signal.aborted || !this.#spool.offer(messages)) return false;
    this.#showSpool();
    this.#pump();
    return true;
  }

  /** `offer` would refuse any batch: there is no use in encoding one. */
  isFull(): boolean {
    return this.#spool.isFull;
  }

  /** Whether what is offered is taken, and gets away. */
  readiness(): HealthState {
    if (this.isFull()) return { ok: false, reason: 'as much waits to be sent as may' };
    if (this.#failure === undefined) return { ok: true };
    return { ok: false, reason: `cannot deliver: ${this.#failure}` };
  }

  /** What was taken and is neither sent nor lost. */
  backlog(): FlowAmount {
    return this.#spool.backlog();
  }

  /** The signal is not minded: what waits is sent until `stop`, which bounds it. */
  async start(): Promise<void> {
    this.#isRunning = true;
    this.#pump();
  }

  /** Sends what waits for at most `drainTimeoutMs`; the rest is lost, and counted. */
  async stop(): Promise<void> {
    const { clock, log } = this.#deps;
    if (this.#isRunning && this.#spool.messages > 0) {
      const drained = new AbortController();
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      const late = clock.sleep(this.#limits.drainTimeoutMs, drained.signal).catch(() => undefined);
      await Promise.race([idle, late]);
      drained.abort();
    }
    this.#isRunning = false;
    this.#closing.abort(new Error('the exporter is closing'));
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
    if (flows > 0) log.warn({ flows }, 'flows could not be delivered before the end');
  }

  #pump(): void {
    while (this.#isRunning && this.#inFlight < this.#deps.transport.inFlightMax) {
      const message = this.#spool.take();
      if (message === undefined) break;
      this.#inFlight++;
      void this.#deliver(message).finally(() => {
        this.#inFlight--;
        this.#pump();
        if (this.#inFlight === 0) this.#onIdle?.();
      });
    }
  }

  async #deliver(message: Message): Promise<void> {
    const { clock, metrics, random } = this.#deps;
    const { deadlineMs, backoff } = this.#limits;
    const untilMs = clock.monotonicMs() + deadlineMs;
    for (let retry = 0; ; retry++) {
      const failure = await this.#attempt(message);
      if (failure === undefined) {
        this.#settleSent(message);
        return;
      }
      const waitMs = backoffMs(retry, backoff, random);
      const loss = this.#lossOf(failure, clock.monotonicMs() + waitMs > untilMs);
      if (loss !== 'closing') this.#tellFailure(failure);
      if (loss !== undefined) {
        this.#lose(message, loss);
        return;
      }
      metrics.retry();
      await clock.sleep(waitMs, this.#closing.signal).catch(() => undefined);
    }
  }

  #lossOf(failure: Failure, isLast: boolean): LossReason | undefined {
    if (this.#closing.signal.aborted) return 'closing';
    if (failure.kind === 'timeout') return 'timeout';
    if (!failure.retryable) return 'refused';
    return isLast ? 'expired' : undefined;
  }

  /** Ends within the attempt's time, even if the transport does not. */
  async #attempt(message: Message): Promise<Failure | undefined> {
    const { clock, transport } = this.#deps;
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
    const sent = transport.send(message, over.signal).then(
      () => undefined,
      (error: unknown): Failure => ({
        kind: 'error',
        retryable: error instanceof NetobservError && error.retryable,
        error,
      }),
    );
    const failure = await Promise.race([sent, timeout]);
    closing.removeEventListener('abort', onClosing);
    timer.abort();
    over.abort();
    return failure;
  }

  #settleSent(message: Message): void {
    const { log, metrics } = this.#deps;
    this.#spool.settle(message);
    this.#showSpool();
    metrics.sent(message.amount);
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    log.info({ lost: this.#lostFlows }, 'flows are delivered again');
    this.#lostFlows = 0;
  }

  #lose(message: Message, reason: LossReason): void {
    this.#spool.settle(message);
    this.#showSpool();
    this.#lostFlows += message.amount.flows;
    this.#deps.metrics.lost(message.amount, reason);
  }

  /** Counted each time, said once until a message is delivered. */
  #tellFailure({ kind, error }: Failure): void {
    const { log, metrics } = this.#deps;
    metrics.error(kind === 'timeout' ? 'Timeout' : 'CannotWriteMessage', 'high');
    const isFirst = this.#failure === undefined;
    this.#failure = explain(error);
    if (isFirst) log.warn({ error: this.#failure }, 'flows cannot be delivered');
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

const NO_ANSWER = new Error('the collector did not answer in time');
