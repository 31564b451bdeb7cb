import { Worker } from 'node:worker_threads';
import { aborted } from '../../../base/aborted.ts';
import { assertExists } from '../../../base/assert.ts';
import { backoffMs } from '../../../base/backoff.ts';
import type { Clock } from '../../../base/clock.ts';
import { explain } from '../../../base/errors.ts';
import type { SubscribeRows } from '../../../console/server/live.ts';
import type { Console, ConsoleAddress } from '../../../console/server/root.ts';
import type { HealthState } from '../../../telemetry/health.ts';
import type { Log } from '../../../telemetry/log.ts';
import type { Metrics } from '../../../telemetry/metrics.ts';
import type { RenewalReport } from '../../../telemetry/renewed-files.ts';
import type { ConsoleRenewal } from '../protection.ts';
import { type Answers, answerCalls, revived } from './calls.ts';
import type { ConsoleStart, FromConsole, ToConsole } from './messages.ts';

/** Limit of the console's V8 heap. Beyond it the thread ends, and another one starts. */
const HEAP_MIB_MAX = 192;
/** Delays before a thread that has ended by itself is restarted. */
const RESTART = { firstMs: 1000, maxMs: 30_000 };
/** Notices of written rows within this time are merged. */
const NEWS_PERIOD_MS = 250;
/** A thread that does not stop by itself is terminated after this time. */
const STOP_MS = 3000;

/** Location of the thread's code: a file, or text inside the executable. */
export interface ThreadCode {
  readonly code: string | URL;
  readonly isText: boolean;
}

export interface ConsoleThreadDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly code: ThreadCode;
  /** Calls of the console that this thread answers. */
  readonly answers: Answers;
  readonly subscribe: SubscribeRows;
  readonly renewals: Readonly<Record<ConsoleRenewal, RenewalReport>>;
  /** Receives lines of the console's log. */
  readonly stderr: { write(text: string): unknown };
}

export interface ConsoleThread extends Console {
  readiness(): HealthState;
}

/**
 * Runs the console in its own thread, as if it were local. When that thread ends, because of an
 * error or lack of memory, another one replaces it; captures and stores are unaffected.
 */
export function consoleInThread(start: ConsoleStart, deps: ConsoleThreadDeps): ConsoleThread {
  return new Threaded(start, deps);
}

class Threaded implements ConsoleThread {
  readonly #start: ConsoleStart;
  readonly #deps: ConsoleThreadDeps;
  readonly #restarts: { inc(): void };
  #worker: Worker | undefined;
  #ended: Promise<void> = Promise.resolve();
  #address: ConsoleAddress | undefined;
  #isUp = false;
  #isStopping = false;
  #text = '';
  #exposed: Disposable | undefined;
  #news: Disposable | undefined;

  constructor(start: ConsoleStart, deps: ConsoleThreadDeps) {
    this.#start = start;
    this.#deps = deps;
    this.#restarts = deps.metrics.counter(
      'console_restarts_total',
      'Times that the console’s thread has ended by itself and was started again',
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#launch(), aborted(signal)]);
    this.#news = this.#passNewsOn();
    signal.addEventListener('abort', () => this.#post({ kind: 'stop' }), { once: true });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#news?.[Symbol.dispose]();
    this.#post({ kind: 'stop' });
    const over = new AbortController();
    const late = this.#deps.clock.sleep(STOP_MS, over.signal).then(
      () => this.#worker?.terminate(),
      () => undefined,
    );
    await this.#ended;
    over.abort();
    await late;
    this.#exposed?.[Symbol.dispose]();
  }

  address(): ConsoleAddress {
    return assertExists(this.#address, 'console address before start');
  }

  readiness(): HealthState {
    if (this.#isUp) return { ok: true };
    return { ok: false, reason: 'the console has ended and is being started again' };
  }

  #post(message: ToConsole): void {
    this.#worker?.postMessage(message);
  }

  /** Resolves when the console listens; rejects with the reason if it cannot. */
  #launch(): Promise<void> {
    const { code, answers } = this.#deps;
    const { config } = this.#start;
    // A port chosen by the kernel stays the same.
    const listen = { ...config.listen, port: this.#address?.port ?? config.listen.port };
    const worker = new Worker(code.code, {
      name: 'console',
      eval: code.isText,
      workerData: { ...this.#start, config: { ...config, listen } } satisfies ConsoleStart,
      // The thread needs no environment variables.
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
    });
    this.#worker = worker;
    answerCalls(worker, answers);
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromConsole) => {
        if (message.kind === 'up') {
          this.#cameUp(message);
          resolve();
        } else if (message.kind === 'failed') {
          reject(revived(message.error));
        } else if (message.kind === 'log') {
          this.#deps.stderr.write(message.line);
        } else if (message.kind === 'renewal') {
          this.#renewed(message);
        } else if (message.kind === 'metrics') {
          this.#text = message.text;
        }
      });
      let reason: unknown;
      worker.once('error', (error) => {
        reason = error;
        reject(error);
      });
      this.#ended = new Promise((done) => {
        worker.once('exit', () => {
          done();
          this.#wentDown(reason);
        });
      });
    });
  }

  #cameUp({ address, families }: FromConsole & { kind: 'up' }): void {
    this.#address = address;
    this.#isUp = true;
    this.#exposed?.[Symbol.dispose]();
    this.#exposed = this.#deps.metrics.expose({
      names: families,
      text: () => this.#text,
      joins: true,
    });
  }

  #renewed({ what, error }: FromConsole & { kind: 'renewal' }): void {
    const report = this.#deps.renewals[what];
    if (error === undefined) report.renewed();
    else report.refused(revived(error));
  }

  #wentDown(reason: unknown): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    // If the console has never come up, its start has already reported why.
    if (this.#isStopping || !wasUp) return;
    const { log, clock } = this.#deps;
    const error = reason === undefined ? 'it ended' : explain(reason);
    log.error({ component: 'console', error }, 'the console has ended and is started again');
    void clock.sleep(restartMs(0)).then(() => this.#relaunch());
  }

  async #relaunch(): Promise<void> {
    const { log, clock } = this.#deps;
    for (let retry = 1; !this.#isStopping; retry++) {
      this.#restarts.inc();
      try {
        await this.#launch();
        return;
      } catch (error) {
        log.error({ component: 'console', error: explain(error) }, 'the console does not start');
        await clock.sleep(restartMs(retry));
      }
    }
  }

  #passNewsOn(): Disposable {
    const { clock, subscribe } = this.#deps;
    let flows = 0;
    let bytes = 0;
    let packets = 0;
    const subscription = subscribe((written) => {
      flows += written.flows;
      bytes += written.bytes;
      packets += written.packets;
    });
    const timer = clock.every(NEWS_PERIOD_MS, () => {
      if (flows === 0) return;
      this.#post({ kind: 'written', rows: { flows, bytes, packets } });
      flows = bytes = packets = 0;
    });
    return {
      [Symbol.dispose]: () => {
        timer[Symbol.dispose]();
        subscription[Symbol.dispose]();
      },
    };
  }
}

/** There is only one console, so the delays need no randomness. */
function restartMs(retry: number): number {
  return backoffMs(retry, RESTART, () => 1);
}
