import type { Clock } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import { runAll } from '../../base/run-all.ts';
import { BATCH_CAPACITY_ROWS, type FlowBatch } from '../../flow/batch.ts';
import type { Log } from '../../telemetry/log.ts';
import type { FeatureReader } from '../features/reader.ts';
import type { InterfaceNames } from '../interfaces/names.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import { FLOW_MAPS } from '../loader/object.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { DrainProgress } from '../readiness.ts';
import { WallClock } from '../wall-clock.ts';
import type { Accounting } from './accounting.ts';
import { DrainBuffer, type DrainFacts, type DrainReason } from './buffer.ts';
import { decodeFlows, sumFlows } from './decode.ts';
import type { FateCounter } from './fates.ts';
import type { VitalsReader } from './vitals.ts';

export interface DrainerDeps {
  readonly native: Native;
  readonly object: BpfObject;
  readonly clock: Clock;
  readonly kernelMonotonicMs: () => number;
  readonly log: Log;
  readonly metrics: AgentMetrics;
  readonly fates: FateCounter;
  readonly accounting: Accounting;
  readonly vitals: VitalsReader;
  readonly names: InterfaceNames;
  /** An empty batch with the wanted columns. */
  readonly take: () => FlowBatch;
  readonly emit: (batch: FlowBatch) => boolean;
  /** The agent's current address. */
  readonly agentIp: () => string;
  /** Bytes of an entry's value. */
  readonly valueBytes: number;
  readonly readers: readonly FeatureReader[];
}

/** Moves flows from the kernel's maps to the pipeline, one drain at a time. */
export class Drainer {
  readonly #deps: DrainerDeps;
  readonly #buffer: DrainBuffer;
  // Created by the first drain: until hooks are attached, every millisecond counts.
  #wall: WallClock | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #periodic: Disposable | undefined;
  #periodMs = 0;
  #succeededMs = 0;
  #failure: string | undefined;
  #isRefused = false;

  constructor(deps: DrainerDeps) {
    this.#deps = deps;
    this.#buffer = new DrainBuffer(BATCH_CAPACITY_ROWS, deps.valueBytes);
  }

  start(periodMs: number): void {
    this.#periodMs = periodMs;
    this.#succeededMs = this.#deps.clock.monotonicMs();
    this.#periodic = this.#deps.clock.every(periodMs, () => {
      // A late drain still runs: it takes what this one would have taken, or the next drain does.
      if (this.#running === undefined && this.#next === undefined) this.#background('');
    });
  }

  progress(): DrainProgress {
    return {
      periodMs: this.#periodMs,
      idleMs: this.#deps.clock.monotonicMs() - this.#succeededMs,
      failure: this.#failure,
      isRefused: this.#isRefused,
    };
  }

  /** Called when the kernel reports that the map fills up. */
  wake(): void {
    this.#background('full');
  }

  /**
   * When this resolves, everything counted before the call has been emitted. A running drain may
   * have begun too early for that, so another one follows it, which callers in the meantime share.
   */
  drain(reason: DrainReason): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#run(reason);
    this.#next = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#run(reason);
      });
    return this.#next;
  }

  /** Drains both maps after the hooks are gone. */
  async stop(): Promise<void> {
    this.#periodic?.[Symbol.dispose]();
    this.#periodic = undefined;
    await this.#next?.catch(() => undefined);
    await this.#running?.catch(() => undefined);
    // The second swap returns the map that was written to before the first; if draining one map
    // fails, the flows of the other are still drained.
    await runAll(FLOW_MAPS.map(() => () => this.drain('closing')));
  }

  #background(reason: DrainReason): void {
    const { log, metrics } = this.#deps;
    this.drain(reason).then(
      () => {
        this.#failure = undefined;
      },
      (error: unknown) => {
        metrics.error('flow-fetcher', 'CannotDrain', 'high');
        const failure = explain(error);
        // Logged once per series of failures. Flows stay in the map for the next drain.
        if (this.#failure === undefined)
          log.error({ error: failure }, 'flows could not be drained');
        this.#failure = failure;
      },
    );
  }

  #run(reason: DrainReason): Promise<void> {
    this.#running = this.#drainOnce(reason).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #drainOnce(reason: DrainReason): Promise<void> {
    const { native, object, clock, metrics, accounting, readers, vitals } = this.#deps;
    const startMs = clock.monotonicMs();
    const map = FLOW_MAPS[await native.swap(object)];
    const facts = this.#facts(reason);
    for (const reader of readers) await reader.prepare?.(facts);
    let flows = 0;
    for (;;) {
      const length = await native.drain(object, map, this.#buffer.keys, this.#buffer.values);
      if (length === 0) break;
      flows += length;
      this.#decode(this.#select(length), facts);
    }
    for (const reader of readers) {
      for (;;) {
        const length = reader.makeFlows?.(this.#buffer) ?? 0;
        if (length === 0) break;
        this.#decode(length, facts);
      }
    }
    for (const reader of readers) reader.finish?.();
    accounting.refresh();
    metrics.evictions.inc({ source: 'hashmap', reason });
    metrics.evictedFlows.inc({ source: 'hashmap', reason }, flows);
    metrics.bufferSize.set({ name: 'flowmap' }, flows);
    this.#succeededMs = clock.monotonicMs();
    vitals.drained(map, flows, this.#succeededMs - startMs);
  }

  /** Computed once for the whole drain, so that equal times stay equal. */
  #facts(reason: DrainReason): DrainFacts {
    const { clock, names, agentIp, kernelMonotonicMs } = this.#deps;
    this.#wall ??= new WallClock(clock, kernelMonotonicMs);
    this.#wall.adjust();
    const nowMs = clock.nowMs();
    return { reason, names, agentIp: agentIp(), nowMs, bootOffsetMs: this.#wall.offsetMs };
  }

  #decode(length: number, facts: DrainFacts): void {
    if (length === 0) return;
    const batch = this.#deps.take();
    decodeFlows(this.#buffer, length, batch, facts);
    for (const reader of this.#deps.readers) reader.decode(this.#buffer, length, batch, facts);
    this.#hand(batch, length);
  }

  /** Leaves out flows that turn out only now to be unwanted. Returns how many remain. */
  #select(drained: number): number {
    let length = drained;
    for (const reader of this.#deps.readers) {
      if (reader.select === undefined) continue;
      const before = sumFlows(this.#buffer, length);
      length = reader.select(this.#buffer, length);
      const after = sumFlows(this.#buffer, length);
      this.#deps.fates.addFiltered(before.packets - after.packets, before.bytes - after.bytes);
    }
    return length;
  }

  #hand(batch: FlowBatch, length: number): void {
    const { emit, fates } = this.#deps;
    // Summed before the batch is handed on: the buffer is reused, the batch is no longer ours.
    const { packets, bytes } = sumFlows(this.#buffer, length);
    this.#isRefused = !emit(batch);
    if (!this.#isRefused) fates.addRecorded(packets, bytes);
    else fates.addDropped(length, packets, bytes);
  }
}
