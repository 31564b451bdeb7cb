import type { BatchLayout, FlowBatch } from '../../flow/batch.ts';
import type { Inlet } from './inlet.ts';
import type { BatchOutcome } from './pool.ts';

/** The inlet of an earlier plan, and the number of its batches that are still being filled. */
interface EarlierInlet {
  readonly inlet: Inlet;
  open: number;
}

/**
 * The inlet of a source, or of `Pipeline.emit`, for as long as that lives: each plan has its own
 * inlet behind it. A batch that lacks columns of the present plan goes through the plan that it was
 * taken for.
 */
export class SwitchingInlet implements Inlet {
  #current: Inlet;
  readonly #earlier = new Map<BatchLayout, EarlierInlet>();
  #open = 0;
  #settled: PromiseWithResolvers<void> | undefined;

  constructor(inlet: Inlet) {
    this.#current = inlet;
  }

  /** Batches that are taken from now on are for another plan. */
  switchTo(inlet: Inlet): void {
    if (inlet.layout !== this.layout) {
      if (this.#open > 0) {
        this.#earlier.set(this.layout, { inlet: this.#current, open: this.#open });
      }
      this.#open = this.#earlier.get(inlet.layout)?.open ?? 0;
      this.#earlier.delete(inlet.layout);
    }
    this.#current = inlet;
    this.#noteSettled();
  }

  /** Resolves when no batch of an earlier plan is being filled any more. */
  async settled(): Promise<void> {
    if (this.#earlier.size === 0) return;
    this.#settled ??= Promise.withResolvers();
    await this.#settled.promise;
  }

  get layout(): BatchLayout {
    return this.#current.layout;
  }

  get decoded(): readonly string[] {
    return this.#current.decoded;
  }

  take(): FlowBatch {
    this.#open++;
    return this.#current.take();
  }

  emit(batch: FlowBatch, onSettled?: (outcome: BatchOutcome) => void): boolean {
    return this.#inletOf(batch).emit(batch, onSettled);
  }

  recycle(batch: FlowBatch): void {
    this.#inletOf(batch).recycle(batch);
  }

  whenReady(): Promise<void> | undefined {
    return this.#current.whenReady();
  }

  /** The inlet that a batch goes back to. */
  #inletOf({ layout }: FlowBatch): Inlet {
    const earlier = this.#earlier.get(layout);
    if (earlier === undefined) {
      if (layout === this.layout && this.#open > 0) this.#open--;
      return this.#current;
    }
    if (--earlier.open === 0) this.#earlier.delete(layout);
    this.#noteSettled();
    return earlier.inlet;
  }

  #noteSettled(): void {
    if (this.#earlier.size > 0) return;
    this.#settled?.resolve();
    this.#settled = undefined;
  }
}
