import { LIFETIME_MS } from '../../codec/exporters/session.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** Most interfaces of all exporters whose names are kept. */
export const LEARNT_MAX = 65_536;
/** Most of one exporter, so that one leaves room for others. */
export const EXPORTER_LEARNT_MAX = 4096;
/** Names that were not sent again for this long are forgotten, milliseconds: some come daily. */
const KEPT_MS = 12 * LIFETIME_MS;

interface Learnt {
  name: string;
  description: string;
  seenMs: number;
}

/** Counters of the names that exporters send. */
export function createLearntMetrics(metrics: Metrics) {
  return {
    known: metrics.gauge(
      'ingest_interface_names',
      'Interfaces whose name or description an exporter has sent',
      ['stage'],
    ),
    refused: metrics.counter(
      'ingest_interface_names_refused_total',
      'Names of interfaces that were not kept, since there is room for 65,536 interfaces, and for ' +
        '4096 of one exporter',
      ['stage'],
    ),
  };
}

/** Names of interfaces as exporters give them in option data. */
export class LearntInterfaces {
  readonly #stage: string;
  readonly #metrics: ReturnType<typeof createLearntMetrics>;
  readonly #exporters = new Map<string, Map<number, Learnt>>();
  #size = 0;
  #refused = 0;
  /** Counts changes. */
  version = 0;

  constructor(stage: string, metrics: ReturnType<typeof createLearntMetrics>) {
    this.#stage = stage;
    this.#metrics = metrics;
  }

  /** Interfaces. */
  get size(): number {
    return this.#size;
  }

  of(exporter: string): ReadonlyMap<number, Readonly<Learnt>> | undefined {
    return this.#exporters.get(exporter);
  }

  /** Notes what an exporter says; an empty text says nothing. */
  note(exporter: string, index: number, name: string, description: string, nowMs: number): void {
    if (name === '' && description === '') return;
    let interfaces = this.#exporters.get(exporter);
    const known = interfaces?.get(index);
    if (known === undefined) {
      if (this.#size >= LEARNT_MAX || (interfaces?.size ?? 0) >= EXPORTER_LEARNT_MAX) {
        this.#refused++;
        return;
      }
      interfaces ??= new Map();
      this.#exporters.set(exporter, interfaces);
      interfaces.set(index, { name, description, seenMs: nowMs });
      this.#size++;
      this.version++;
      return;
    }
    known.seenMs = nowMs;
    // Some exporters send names and descriptions apart.
    const isSame =
      (name === '' || name === known.name) &&
      (description === '' || description === known.description);
    if (isSame) return;
    known.name = name || known.name;
    known.description = description || known.description;
    this.version++;
  }

  /** Forgets what is old, and passes the counts on. */
  sweep(nowMs: number): void {
    for (const [exporter, interfaces] of this.#exporters) {
      for (const [index, { seenMs }] of interfaces) {
        if (nowMs - seenMs <= KEPT_MS) continue;
        interfaces.delete(index);
        this.#size--;
        this.version++;
      }
      if (interfaces.size === 0) this.#exporters.delete(exporter);
    }
    const labels = { stage: this.#stage };
    this.#metrics.known.set(labels, this.#size);
    if (this.#refused > 0) this.#metrics.refused.inc(labels, this.#refused);
    this.#refused = 0;
  }
}
