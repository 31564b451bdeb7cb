import { type HeapProfiler, type Profiler, type Runtime, Session } from 'node:inspector/promises';
import type { Clock } from '../base/clock.ts';

/** V8's default; Go takes a sample every 10 ms. */
const CPU_PERIOD_US = 1000;
/** Mean distance between samples of allocations; V8's default. */
const HEAP_PERIOD_BYTES = 32 * 1024;

const NS_PER_US = 1000;

export interface ProfileFrame {
  readonly name: string;
  readonly file: string;
  /** First line of the function, from 1; 0: unknown. */
  readonly line: number;
}

/** A call stack, innermost frame first, and the values measured with it. */
export interface ProfileSample {
  readonly stack: readonly ProfileFrame[];
  readonly values: readonly number[];
}

export interface SampledProfile {
  /** The type of each of a sample's values. */
  readonly types: readonly ValueType[];
  /** Interval between two samples, in the unit of the last type. */
  readonly period: number;
  /** 0: a snapshot without a duration. */
  readonly durationMs: number;
  readonly samples: readonly ProfileSample[];
}

type ValueType = readonly [type: string, unit: string];

/** Not CPU time: V8's frames while the thread waits. */
const IDLE = '(idle)';

/** V8's sampling profilers. The heap is sampled from `start` on, the CPU on request. */
export class V8Profiler {
  readonly #clock: Clock;
  readonly #session = new Session();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post('HeapProfiler.startSampling', { samplingInterval: HEAP_PERIOD_BYTES });
  }

  stop(): void {
    this.#session.disconnect();
  }

  /** Takes samples for this time, or until the signal, which shortens it. */
  async cpu(durationMs: number, signal: AbortSignal): Promise<SampledProfile> {
    const [session, clock] = [this.#session, this.#clock];
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: CPU_PERIOD_US });
    await session.post('Profiler.start');
    const startMs = clock.monotonicMs();
    await clock.sleep(durationMs, signal).catch(() => undefined);
    const { profile } = await session.post('Profiler.stop');
    await session.post('Profiler.disable');
    return cpuProfile(profile, clock.monotonicMs() - startMs);
  }

  /** Allocations since the start that are still in use. */
  async heap(): Promise<SampledProfile> {
    const { profile } = await this.#session.post('HeapProfiler.getSamplingProfile');
    return heapProfile(profile);
  }
}

function cpuProfile(profile: Profiler.Profile, durationMs: number): SampledProfile {
  const { nodes } = profile;
  const timesUs = timesOf(profile);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const samples: ProfileSample[] = [];
  const walk = (node: Profiler.ProfileNode, callers: readonly ProfileFrame[]): void => {
    const stack = [frameOf(node.callFrame), ...callers];
    const hits = node.hitCount ?? 0;
    const isIdle = node.callFrame.functionName === IDLE;
    if (hits > 0 && !isIdle)
      samples.push({ stack, values: [hits, timesUs.get(node.id)! * NS_PER_US] });
    for (const id of node.children ?? []) walk(byId.get(id)!, stack);
  };
  // The root stands for the thread and is in no stack.
  for (const id of nodes[0]?.children ?? []) walk(byId.get(id)!, []);
  const types: readonly ValueType[] = [
    ['samples', 'count'],
    ['cpu', 'nanoseconds'],
  ];
  return { types, period: CPU_PERIOD_US * NS_PER_US, durationMs, samples };
}

/** Time by node, up to the next sample: samples come late when the machine is busy. */
function timesOf({ samples = [], timeDeltas = [], ...profile }: Profiler.Profile) {
  const timesUs = new Map<number, number>();
  let atUs = profile.startTime;
  for (const [index, id] of samples.entries()) {
    atUs += timeDeltas[index]!;
    const lastedUs = timeDeltas[index + 1] ?? profile.endTime - atUs;
    timesUs.set(id, (timesUs.get(id) ?? 0) + Math.max(0, lastedUs));
  }
  return timesUs;
}

function heapProfile({ head }: HeapProfiler.SamplingHeapProfile): SampledProfile {
  const samples: ProfileSample[] = [];
  const walk = (
    node: HeapProfiler.SamplingHeapProfileNode,
    callers: readonly ProfileFrame[],
  ): void => {
    const stack = [frameOf(node.callFrame), ...callers];
    if (node.selfSize > 0) samples.push({ stack, values: [node.selfSize] });
    for (const child of node.children) walk(child, stack);
  };
  for (const child of head.children) walk(child, []);
  return {
    types: [['inuse_space', 'bytes']],
    period: HEAP_PERIOD_BYTES,
    durationMs: 0,
    samples,
  };
}

function frameOf({ functionName, url, lineNumber }: Runtime.CallFrame): ProfileFrame {
  return { name: functionName || '(anonymous)', file: url, line: lineNumber + 1 };
}
