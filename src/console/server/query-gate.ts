import type { Clock } from '../../base/clock.ts';
import { Lane, type LaneEntry } from '../../base/lane.ts';
import { ANSWERS, AnswerError } from './errors.ts';
import type { ConsoleMetrics } from './metrics.ts';

export interface GateLimits {
  readonly concurrentQueriesMax: number;
  readonly queuedQueriesMax: number;
  readonly queryTimeoutMs: number;
}

/** Seconds after which a client that found the console busy should retry. */
export const BUSY_RETRY_AFTER_S = 1;

/**
 * Lets a bounded number of queries into the store at a time, in order of arrival.
 *
 * Each has one deadline that covers waiting and running. Its signal is aborted by the deadline, by
 * a client that disconnects and by the end of the server. The answer does not wait for a store that
 * is slow to abort, but the slot does, because the query still runs.
 */
export class QueryGate {
  readonly #clock: Clock;
  readonly #limits: GateLimits;
  readonly #metrics: ConsoleMetrics;
  readonly #stopping = new AbortController();
  readonly #lane: Lane;

  constructor(clock: Clock, limits: GateLimits, metrics: ConsoleMetrics) {
    this.#clock = clock;
    this.#limits = limits;
    this.#metrics = metrics;
    this.#lane = new Lane({
      runningMax: limits.concurrentQueriesMax,
      waitingMax: limits.queuedQueriesMax,
      onChange: (running, waiting) => {
        metrics.queriesRunning.set(running);
        metrics.queriesWaiting.set(waiting);
      },
    });
  }

  async run<T>(client: AbortSignal, query: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = new AbortController();
    const settled = new AbortController();
    const { queryTimeoutMs } = this.#limits;
    let isRunning = false;
    this.#clock.sleep(queryTimeoutMs, settled.signal).then(
      () => deadline.abort(isRunning ? timedOut(queryTimeoutMs) : this.#waitedOut()),
      // Aborted because the query has settled.
      () => undefined,
    );
    try {
      const signal = AbortSignal.any([client, deadline.signal, this.#stopping.signal]);
      this.#check(await this.#lane.enter({ signal }), signal);
      isRunning = true;
      const work = start(query, signal);
      const leave = (): void => this.#lane.leave();
      work.then(leave, leave);
      return await Promise.race([work, aborted(signal, settled.signal)]);
    } finally {
      settled.abort();
    }
  }

  /** Aborts running and waiting queries, and refuses new ones. */
  stop(): void {
    this.#stopping.abort(new AnswerError(ANSWERS.stopping, 'the console is shutting down'));
  }

  /** Throws if the query may not run. */
  #check(entry: LaneEntry, signal: AbortSignal): void {
    switch (entry) {
      case 'entered':
        return;
      case 'aborted':
        throw signal.reason;
      case 'full': {
        this.#metrics.reject('queries_busy');
        const { running, waiting } = this.#lane;
        throw new AnswerError(
          ANSWERS.busy,
          `${running} queries are running and ${waiting} are waiting, which is the most that this ` +
            'console takes: try again shortly',
          { retryAfterS: BUSY_RETRY_AFTER_S },
        );
      }
    }
  }

  /** The query itself may be quick, but others kept it from running. */
  #waitedOut(): AnswerError {
    this.#metrics.reject('queries_busy');
    return new AnswerError(
      ANSWERS.busy,
      `the query waited ${this.#limits.queryTimeoutMs / 1000} s for others to end: try again shortly`,
      { retryAfterS: BUSY_RETRY_AFTER_S },
    );
  }
}

/** Async, so that a synchronous error of `query` frees the slot too. */
async function start<T>(
  query: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  // It may have been aborted after it got the slot and before it ran.
  signal.throwIfAborted();
  return query(signal);
}

function timedOut(queryTimeoutMs: number): AnswerError {
  return new AnswerError(
    ANSWERS.queryTimeout,
    `the query took more than ${queryTimeoutMs / 1000} s: ask for a shorter time range, ` +
      'a larger step, or filter more',
  );
}

/** Rejects with the signal's reason; forgotten once `settled` fires. */
function aborted(signal: AbortSignal, settled: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true, signal: settled });
  });
}
