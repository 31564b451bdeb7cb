import {
  hasRestarted,
  LATE,
  LIFETIME_MS,
  missingBefore,
  SWEEP_PERIOD_MS,
  UNKNOWN_SEQUENCE,
} from '../exporters/session.ts';

/** Most sub-agents whose sequence numbers are kept. */
export const AGENTS_MAX = 4096;
/** Most data sources (interfaces) of all agents whose losses are kept. */
export const SOURCES_MAX = 65_536;
/** Most data sources of one sub-agent, so that one leaves room for others. */
export const AGENT_SOURCES_MAX = 4096;

/** The state of a sub-agent. */
export class Agent {
  /** Lost samples that it reported last, by data source. */
  readonly drops = new Map<number, number>();
  /** Sequence number that the next datagram should have. */
  nextSequence = UNKNOWN_SEQUENCE;
  /** Uptime in the last datagram, milliseconds. */
  uptimeMs = 0;
  seenMs = 0;
}

/**
 * The agents. When the table is full, a new one is refused until one expires, so a flood of forged
 * agents cannot push out those that are known.
 */
export class Agents {
  readonly #agents = new Map<string, Agent>();
  #sources = 0;
  #sweptMs = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#agents.size;
  }

  /** Data sources of all agents. */
  get sources(): number {
    return this.#sources;
  }

  /** The agent, which is made if it is missing; undefined: there is no room. */
  of(key: string, nowMs: number): Agent | undefined {
    if (nowMs - this.#sweptMs >= SWEEP_PERIOD_MS) this.#sweep(nowMs);
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      if (this.#agents.size >= AGENTS_MAX) return undefined;
      agent = new Agent();
      this.#agents.set(key, agent);
    }
    agent.seenMs = nowMs;
    return agent;
  }

  /**
   * Datagrams that are missing before this one, or `LATE`. An agent that started again counts anew.
   */
  missing(agent: Agent, sequence: number, uptimeMs: number): number {
    if (hasRestarted(agent.uptimeMs, uptimeMs)) {
      this.#sources -= agent.drops.size;
      agent.drops.clear();
      agent.nextSequence = UNKNOWN_SEQUENCE;
    }
    agent.uptimeMs = uptimeMs;
    const missing = missingBefore(agent.nextSequence, sequence);
    if (missing !== LATE) agent.nextSequence = (sequence + 1) >>> 0;
    return missing;
  }

  /** Samples that a source lost since its last report; -1: there is no room for the source. */
  lost(agent: Agent, source: number, drops: number): number {
    const { drops: known } = agent;
    const last = known.get(source);
    if (last === undefined) {
      if (known.size >= AGENT_SOURCES_MAX || this.#sources >= SOURCES_MAX) return -1;
      this.#sources++;
    }
    known.set(source, drops);
    // A counter of 32 bits, which begins again from 0; one that falls is that of a new start.
    const more = last === undefined ? 0 : (drops - last) | 0;
    return Math.max(more, 0);
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [key, agent] of this.#agents) {
      if (nowMs - agent.seenMs <= LIFETIME_MS) continue;
      this.#sources -= agent.drops.size;
      this.#agents.delete(key);
    }
  }
}
