import { LIFETIME_MS } from '../../codec/exporters/session.ts';
import { INTERFACE_COUNTERS, type InterfaceCounters } from '../../codec/sflow/counters.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** Most interfaces of all agents that have counters, of eight series each. */
export const INTERFACES_MAX = 1024;

const LABELS = ['stage', 'agent', 'ifindex', 'direction'] as const;
/** A counter of 32 bits that seems to grow by more has begun anew. */
const STEP_MAX = 2 ** 31;
const WORD = 2 ** 32;

/** Counters of the interfaces of agents. */
export function createInterfaceMetrics(metrics: Metrics) {
  const counter = (name: string, what: string) =>
    metrics.counter(
      `ingest_sflow_interface_${name}_total`,
      `${what} of an interface by its sFlow agent's own counters, since the first report here; ` +
        `at most ${INTERFACES_MAX} interfaces have series`,
      LABELS,
    );
  return {
    octets: counter('octets', 'Octets'),
    packets: counter('packets', 'Packets'),
    discards: counter('discards', 'Discarded packets'),
    errors: counter('errors', 'Packets with errors'),
  };
}

type InterfaceMetrics = ReturnType<typeof createInterfaceMetrics>;
type Family = keyof InterfaceMetrics;

/** The family that each counter of an agent adds to. */
const FAMILIES: Readonly<Record<(typeof INTERFACE_COUNTERS)[number], Family>> = {
  octets: 'octets',
  unicast: 'packets',
  multicast: 'packets',
  broadcast: 'packets',
  discards: 'discards',
  errors: 'errors',
};

interface Known {
  readonly agent: string;
  readonly ifindex: string;
  /** The last values, in and out. */
  readonly in: Float64Array;
  readonly out: Float64Array;
  seenMs: number;
}

/**
 * Turns what agents have counted since they started into counters of this program: those of 32 bits
 * begin again from 0 while packets pass, and a new start does not look like traffic.
 */
export class Interfaces {
  readonly #stage: string;
  readonly #metrics: InterfaceMetrics;
  readonly #known = new Map<string, Known>();

  constructor(stage: string, metrics: InterfaceMetrics) {
    this.#stage = stage;
    this.#metrics = metrics;
  }

  /** Adds what has been counted since the last report. False: there is no room for an interface. */
  note(agent: string, counters: InterfaceCounters, nowMs: number): boolean {
    const { index, incoming, outgoing } = counters;
    const key = `${agent}/${index}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      if (this.#known.size >= INTERFACES_MAX) return false;
      known = {
        ...{ agent, ifindex: String(index), seenMs: nowMs },
        ...{ in: incoming.slice(), out: outgoing.slice() },
      };
      this.#known.set(key, known);
    }
    known.seenMs = nowMs;
    this.#add(known, 'in', incoming);
    this.#add(known, 'out', outgoing);
    return true;
  }

  /** Forgets interfaces that nothing was heard of for two hours. */
  sweep(nowMs: number): void {
    for (const [key, known] of this.#known) {
      if (nowMs - known.seenMs <= LIFETIME_MS) continue;
      this.#known.delete(key);
      for (const family of Object.values(this.#metrics)) {
        family.remove(this.#labels(known, 'in'));
        family.remove(this.#labels(known, 'out'));
      }
    }
  }

  #labels({ agent, ifindex }: Known, direction: 'in' | 'out') {
    return { stage: this.#stage, agent, ifindex, direction };
  }

  #add(known: Known, direction: 'in' | 'out', values: Float64Array): void {
    const last = known[direction];
    const labels = this.#labels(known, direction);
    for (const [place, name] of INTERFACE_COUNTERS.entries()) {
      const more = step(last[place]!, values[place]!, name === 'octets');
      last[place] = values[place]!;
      if (!Number.isNaN(more)) this.#metrics[FAMILIES[name]].inc(labels, more);
    }
  }
}

/** How much a counter has grown; NaN: the agent does not have it. */
function step(last: number, value: number, isLong: boolean): number {
  const more = value - last;
  if (isLong) return more < 0 ? value : more;
  const wrapped = more < 0 ? more + WORD : more;
  return wrapped >= STEP_MAX ? value : wrapped;
}
