import { readFileSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import type { AgentMetrics } from '../metrics.ts';

/** The agent's health, besides the fate of packets. */
export interface Vitals {
  /** Entries of each of the two flow maps. */
  readonly mapEntries: number;
  /** Share of a flow map that was in use at the last drain, and the largest so far: 0 to 1. */
  readonly mapFill: number;
  readonly mapFillMax: number;
  /** Duration of the last drain, decoding included, and the longest so far. */
  readonly drainMs: number;
  readonly drainMsMax: number;
  /** Kernel memory of all maps. */
  readonly bpfBytes: number;
  /** How often the kernel skipped a feature's program because it was already running. */
  readonly probeMisses: number;
}

export interface VitalsDeps {
  readonly native: Native;
  readonly object: BpfObject;
  readonly clock: Clock;
  readonly metrics: AgentMetrics;
  /** Programs besides the hooks. */
  readonly probes: readonly string[];
  /** Kernel memory of a map by its descriptor, bytes; default: as the kernel reports it. */
  readonly mapBytes?: (fd: number) => number;
}

/** Drains may be milliseconds apart; values that change slowly are not read each time. */
const READ_PERIOD_MS = 5000;

export class VitalsReader {
  readonly #deps: VitalsDeps;
  readonly #mapEntries: number;
  readonly #misses = new Map<string, number>();
  readonly #fills = new Map<string, number>();
  #mapFill = 0;
  #drainMs = 0;
  #drainMsMax = 0;
  #bpfBytes = 0;
  #readMs = Number.NEGATIVE_INFINITY;

  constructor(deps: VitalsDeps, mapEntries: number) {
    this.#deps = deps;
    this.#mapEntries = mapEntries;
  }

  drained(map: string, flows: number, durationMs: number): void {
    const { metrics, clock } = this.#deps;
    this.#mapFill = flows / this.#mapEntries;
    this.#fills.set(map, Math.max(this.#fills.get(map) ?? 0, this.#mapFill));
    this.#drainMs = durationMs;
    this.#drainMsMax = Math.max(this.#drainMsMax, durationMs);
    metrics.mapFill.set({ map }, this.#mapFill);
    metrics.mapFillMax.set({ map }, this.#fills.get(map)!);
    metrics.drainSeconds.observe(durationMs / 1000);
    if (clock.monotonicMs() - this.#readMs >= READ_PERIOD_MS) this.read();
  }

  view(): Vitals {
    return {
      mapEntries: this.#mapEntries,
      mapFill: this.#mapFill,
      mapFillMax: Math.max(0, ...this.#fills.values()),
      drainMs: this.#drainMs,
      drainMsMax: this.#drainMsMax,
      bpfBytes: this.#bpfBytes,
      probeMisses: [...this.#misses.values()].reduce((sum, misses) => sum + misses, 0),
    };
  }

  /** Reads slowly changing values, which takes some milliseconds: hooks are attached first. */
  read(): void {
    const { native, object, clock, metrics, probes, mapBytes = mapBytesOf } = this.#deps;
    this.#readMs = clock.monotonicMs();
    this.#bpfBytes = 0;
    for (const { name, fd } of native.listMaps(object)) {
      const bytes = mapBytes(fd);
      this.#bpfBytes += bytes;
      metrics.mapBytes.set({ map: name }, bytes);
    }
    for (const program of probes) {
      const { misses } = native.programStats(object, program);
      metrics.probeMisses.inc({ program }, misses - (this.#misses.get(program) ?? 0));
      this.#misses.set(program, misses);
    }
  }
}

/** Memory as the kernel accounts it; 0 where /proc does not show it. */
export function mapBytesOf(fd: number): number {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    return Number(/^memlock:\s*(\d+)$/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
