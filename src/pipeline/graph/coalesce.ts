import type { Clock } from '../../base/clock.ts';
import { appendSelected, canAppend, isSmall } from '../../flow/append.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { Inlet } from './inlet.ts';
import type { BatchOutcome } from './pool.ts';

/**
 * Merges small batches, so that stages run once for many messages of few flows. Rows wait for at
 * most `waitMs`; the outcome of the merged batch is reported to each of its parts.
 */
export class CoalescingInlet implements Inlet {
  readonly #inlet: Inlet;
  readonly #clock: Clock;
  readonly #waitMs: number;
  #open: FlowBatch | undefined;
  #parts: ((outcome: BatchOutcome) => void)[] = [];
  #timer: AbortController | undefined;

  constructor(inlet: Inlet, waitMs: number, clock: Clock) {
    this.#inlet = inlet;
    this.#waitMs = waitMs;
    this.#clock = clock;
  }

  get layout() {
    return this.#inlet.layout;
  }

  get decoded(): readonly string[] {
    return this.#inlet.decoded;
  }

  take(): FlowBatch {
    return this.#inlet.take();
  }

  whenReady(): Promise<void> | undefined {
    return this.#inlet.whenReady();
  }

  /** True for rows that wait: whether branches have room shows when they are passed on. */
  emit(batch: FlowBatch, onSettled?: (outcome: BatchOutcome) => void): boolean {
    if (this.#open !== undefined && canAppend(this.#open, batch)) {
      appendSelected(this.#open, batch);
      if (onSettled !== undefined) this.#parts.push(onSettled);
      this.#inlet.recycle(batch);
      if (!isSmall(this.#open)) return this.flush();
      return true;
    }
    // The waiting rows came first.
    this.flush();
    const canWait = batch.selection === undefined && isSmall(batch);
    if (!canWait || batch.layout !== this.layout) return this.#inlet.emit(batch, onSettled);
    this.#open = batch;
    if (onSettled !== undefined) this.#parts.push(onSettled);
    this.#wait();
    return true;
  }

  /** Passes on the waiting rows. */
  flush(): boolean {
    this.#timer?.abort();
    this.#timer = undefined;
    const batch = this.#open;
    if (batch === undefined) return true;
    const parts = this.#parts;
    this.#open = undefined;
    this.#parts = [];
    return this.#inlet.emit(batch, (outcome) => {
      for (const part of parts) part(outcome);
    });
  }

  recycle(batch: FlowBatch): void {
    this.#inlet.recycle(batch);
  }

  #wait(): void {
    const timer = new AbortController();
    this.#timer = timer;
    this.#clock.sleep(this.#waitMs, timer.signal).then(
      () => void this.flush(),
      () => undefined,
    );
  }
}
