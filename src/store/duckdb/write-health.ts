import type { Clock } from '../../base/clock.ts';
import { explain, hasCode } from '../../base/errors.ts';
import { STORE_ERRORS } from '../errors.ts';
import type { WriteTotals } from './writer.ts';

/** Whether rows can be written, and the last period in which rows were lost. */
export class WriteHealth {
  readonly #clock: Clock;
  readonly #totals: Readonly<WriteTotals>;
  #failure: unknown;
  #failedMs = 0;
  /** Rows that were lost before the failure. */
  #lostBefore = 0;
  #lapse: string | undefined;

  constructor(clock: Clock, totals: Readonly<WriteTotals>) {
    this.#clock = clock;
    this.#totals = totals;
  }

  /** Why rows could not be written lately; undefined once a commit of rows has succeeded. */
  get failure(): unknown {
    return this.#failure;
  }

  failed(error: unknown): void {
    // The closed store is not the reason, but a result of the failure that closed it.
    if (this.#failure !== undefined && hasCode(error, STORE_ERRORS.stopped)) return;
    if (this.#failure === undefined) this.#failedMs = this.#clock.nowMs();
    this.#failure = error;
  }

  succeeded(): void {
    const lost = this.#totals.lost - this.#lostBefore;
    const [from, to] = [this.#failedMs, this.#clock.nowMs()].map(iso);
    if (this.#failure !== undefined && lost > 0) {
      this.#lapse =
        `${lost === 1 ? '1 flow' : `${lost} flows`} could not be written ` +
        `between ${from} and ${to}: ${explain(this.#failure)}`;
    } else if (hasCode(this.#failure, STORE_ERRORS.removed)) {
      // No new rows were lost, but stored ones were.
      this.#lapse = `at ${from}, ${explain(this.#failure)}`;
    }
    this.#failure = undefined;
    this.#lostBefore = this.#totals.lost;
  }

  /** The last period in which rows were lost, once it is over: a sentence for people. */
  get lapse(): string | undefined {
    return this.#lapse;
  }
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
