import { type BackoffLimits, backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { explain, hasCode, NetobservError } from '../../base/errors.ts';
import { NET_ERRORS } from '../../net/errors.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import type { FlowAmount } from './exporter.ts';
import type { ExportMetrics, LossReason } from './metrics.ts';
import { Spool, type SpoolLimits, type SpoolMessage } from './spool.ts';

/** Brings messages to a collector. */
export interface Transport<Message extends SpoolMessage = SpoolMessage> {
  /** Calls of `send` at a time, for each lane; with 1, messages are sent in their order. */
  readonly inFlightMax: number;
  /**
   * Resolves when the collector has the message, or with the parts that it is to be sent in, of
   * which it has none. Rejects with a `NetobservError`: a retryable one when sending the same again
   * may help and does not make the collector count it twice; of those that are not, `unanswered`
   * means that the collector may have it. Once the signal is aborted nobody waits for the outcome,
   * and what it holds is to be let go.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: most transports have nothing to return.
  send(message: Message, signal: AbortSignal): Promise<readonly Message[] | void>;
}

export interface DeliveryLimits extends SpoolLimits {
  /** Longest wait for an answer. Without one, the message counts as lost. */
  readonly attemptTimeoutMs: number;
  /** Time from a message's first attempt to the last. */
  readonly deadlineMs: number;
  /** Time at `stop` for all that waits; less where nobody is there to take it. */
  readonly drainTimeoutMs: number;
  readonly backoff: BackoffLimits;
}

export const DELIVERY_DEFAULTS = {
  attemptTimeoutMs: 15_000,
  deadlineMs: 120_000,
  drainTimeoutMs: 10_000,
  backoff: { firstMs: 250, maxMs: 10_000 },
} as const;

/** Time at `stop` for a collector that could not be reached: it may be back in a moment. */
const LAST_CHANCE_MS = 1000;

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
  #ending: AbortSignal | undefined;
  #lostAtEnd = 0;
  #onFailure: (() => void) | undefined;
  /** Aborted: what waits for its next attempt makes it now. */
  #hurrying = new AbortController();
  /** Of lanes whose messages cannot be delivered: why, and the flows that were lost so far. */
  readonly #failing = new Map<number, { readonly why: string; lost: number }>();

  constructor(limits: DeliveryLimits, deps: DeliveryDeps<Message>) {
    this.#limits = limits;
    this.#deps = deps;
    this.#spool = new Spool(limits);
  }

  /**
   * The messages of one batch; false: there is no room, and none was taken. If there is room in
   * some lanes only, what is for others is lost.
   */
  offer(messages: readonly Message[]): boolean {
    if (this.#closing.signal.aborted) return false;
    const refused = this.#spool.offer(messages);
    if (refused.length > 0 && refused.length === messages.length) return false;
    for (const message of refused) this.#countLost(message, 'full');
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
    const [failing] = this.#failing.values();
    if (failing === undefined) return { ok: true };
    return { ok: false, reason: `cannot deliver: ${failing.why}` };
  }

  /** What was taken and is neither sent nor lost. */
  backlog(): FlowAmount {
    return this.#spool.backlog();
  }

  /** Flows that were lost since the signal to end. */
  get lostAtEnd(): number {
    return this.#lostAtEnd;
  }

  /** The signal ends nothing here: what waits is sent until `stop`, which bounds it. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#ending = signal;
    this.#isRunning = true;
    this.#pump();
  }

  /** Sends what waits for at most `drainTimeoutMs`; the rest is lost, and counted. */
  async stop(): Promise<void> {
    const { log } = this.#deps;
    if (this.#isRunning && this.#spool.messages > 0) await this.#drain();
    this.#isRunning = false;
    this.#closing.abort(new Error('the exporter is closing'));
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
    if (flows > 0) log.warn({ flows }, 'flows could not be delivered before the end');
  }

  /** Until all is sent, its time is over, or nobody is there to take it. */
  async #drain(): Promise<void> {
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

  /** Nothing that waits could be delivered when that was last tried. */
  #isHopeless(): boolean {
    return this.#spool.lanes().every((lane) => this.#failing.has(lane));
  }

  #pump(): void {
    while (this.#isRunning) {
      const message = this.#spool.take(this.#deps.transport.inFlightMax);
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
      const outcome = await this.#attempt(message);
      if (outcome.kind === 'sent') {
        this.#settleSent(message);
        return;
      }
      if (outcome.kind === 'divided') {
        this.#spool.divide(message, outcome.parts);
        return;
      }
      const waitMs = backoffMs(retry, backoff, random);
      const loss = this.#lossOf(outcome, clock.monotonicMs() + waitMs > untilMs);
      if (loss !== 'closing') this.#tellFailure(message, outcome);
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

  /** Ends within the attempt's time, even if the transport does not. */
  async #attempt(message: Message): Promise<Outcome<Message>> {
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
      (parts): Outcome<Message> => (parts ? { kind: 'divided', parts } : { kind: 'sent' }),
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

  #settleSent(message: Message): void {
    const { log, metrics } = this.#deps;
    this.#spool.settle(message);
    this.#showSpool();
    metrics.sent(message.amount);
    const failing = this.#failing.get(laneOf(message));
    if (failing === undefined) return;
    this.#failing.delete(laneOf(message));
    log.info({ lost: failing.lost, ...laneField(message) }, 'flows are delivered again');
  }

  #lose(message: Message, reason: LossReason): void {
    this.#spool.settle(message);
    this.#showSpool();
    this.#countLost(message, reason);
  }

  #countLost(message: Message, reason: LossReason): void {
    this.#deps.metrics.lost(message.amount, reason);
    if (this.#ending?.aborted === true) this.#lostAtEnd += message.amount.flows;
    const failing = this.#failing.get(laneOf(message));
    if (failing !== undefined) failing.lost += message.amount.flows;
  }

  /** Counted each time, said once until a message of the lane is delivered. */
  #tellFailure(message: Message, { kind, error }: Failure): void {
    const { log, metrics } = this.#deps;
    metrics.error(kind === 'timeout' ? 'Timeout' : 'CannotWriteMessage', 'high');
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

type Outcome<Message> =
  | { readonly kind: 'sent' }
  | { readonly kind: 'divided'; readonly parts: readonly Message[] }
  | Failure;

const NO_ANSWER = new Error('the collector did not answer in time');

const isUnanswered = (error: unknown): boolean => hasCode(error, NET_ERRORS.unanswered);

const laneOf = ({ lane }: SpoolMessage): number => lane ?? 0;

/** For the log, where there are lanes. */
const laneField = ({ lane }: SpoolMessage) => (lane === undefined ? {} : { lane });
