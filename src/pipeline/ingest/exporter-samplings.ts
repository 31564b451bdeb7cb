import { systemRandom } from '../../base/clock.ts';
import { type ExporterSampling, FlowLimit } from '../../codec/exporters/flow-limit.ts';
import { LIFETIME_MS } from '../../codec/exporters/session.ts';
import type { ExporterBook } from './exporter-book.ts';

/** Exporters with a limit of their own; all others share one. */
export const LIMITED_MAX = 4096;
const OTHERS = 'other';

export interface SamplingOptions {
  readonly samplingRateDefault: number;
  readonly flowsPerSecondMax: number;
}

interface Known {
  readonly sampling: ExporterSampling | undefined;
  seenMs: number;
}

/** Sampling rates and limits of exporters, by the options of a stage and by its book. */
export class ExporterSamplings {
  readonly #book: ExporterBook;
  readonly #options: SamplingOptions;
  readonly #random: () => number;
  readonly #known = new Map<string, Known>();
  #version: number;

  constructor(book: ExporterBook, options: SamplingOptions, random: () => number = systemRandom) {
    this.#book = book;
    this.#options = options;
    this.#random = random;
    this.#version = book.version;
  }

  /** Undefined: as the exporter says, without a limit. */
  of(exporter: string, nowMs: number): ExporterSampling | undefined {
    if (this.#version !== this.#book.version) {
      this.#version = this.#book.version;
      this.#known.clear();
    }
    let known = this.#known.get(exporter);
    if (known === undefined) {
      const key = this.#known.size < LIMITED_MAX ? exporter : OTHERS;
      known = this.#known.get(key) ?? { sampling: this.#make(key), seenMs: nowMs };
      this.#known.set(key, known);
    }
    known.seenMs = nowMs;
    return known.sampling;
  }

  /** Forgets exporters without datagrams. */
  sweep(nowMs: number): void {
    for (const [exporter, { seenMs }] of this.#known) {
      if (nowMs - seenMs > LIFETIME_MS) this.#known.delete(exporter);
    }
  }

  #make(exporter: string): ExporterSampling | undefined {
    const facts = this.#book.of(exporter);
    const rate = facts?.samplingRate ?? 0;
    const rateDefault = facts?.samplingRateDefault || this.#options.samplingRateDefault;
    const max = facts?.flowsPerSecondMax || this.#options.flowsPerSecondMax;
    if (rate === 0 && rateDefault === 0 && max === 0) return undefined;
    return { rate, rateDefault, limit: max === 0 ? undefined : new FlowLimit(max, this.#random) };
  }
}
