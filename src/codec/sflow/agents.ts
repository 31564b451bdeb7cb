import { finish32, mix32 } from '../../base/hash.ts';
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

/** Places for the agents whose datagrams came last; a power of two. */
const RECENT = 1024;

/** Who sent a datagram. */
export interface AgentId {
  /** Address that the datagram came from. */
  readonly peer: string;
  /** Address of the agent, in the form of the intern table. */
  readonly words: Uint32Array;
  readonly subAgent: number;
  /** The address of the agent, as text. */
  agentText(): string;
}

/** The state of a sub-agent. */
export class Agent {
  /** The address of the agent, as text. */
  readonly text: string;
  readonly #peer: string;
  readonly #words: Uint32Array;
  readonly #subAgent: number;
  /** Lost samples that it reported last, by data source. */
  readonly drops = new Map<number, number>();
  /** Sequence number that the next datagram should have. */
  nextSequence = UNKNOWN_SEQUENCE;
  /** Uptime in the last datagram, milliseconds. */
  uptimeMs = 0;
  seenMs = 0;

  constructor(id: AgentId) {
    this.text = id.agentText();
    this.#peer = id.peer;
    this.#words = id.words.slice();
    this.#subAgent = id.subAgent;
  }

  /** Whether it is the one that sent a datagram. */
  is({ peer, words, subAgent }: AgentId): boolean {
    const own = this.#words;
    for (let i = 0; i < own.length; i++) if (own[i] !== words[i]) return false;
    return subAgent === this.#subAgent && peer === this.#peer;
  }
}

/**
 * The agents. When the table is full, a new one is refused until one expires, so a flood of forged
 * agents cannot push out those that are known.
 */
export class Agents {
  readonly #agents = new Map<string, Agent>();
  /** By hash, so that a steady sender costs no text. */
  readonly #recent = new Array<Agent | undefined>(RECENT).fill(undefined);
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
  of(id: AgentId, nowMs: number): Agent | undefined {
    if (nowMs - this.#sweptMs >= SWEEP_PERIOD_MS) this.#sweep(nowMs);
    const place = placeOf(id);
    let agent = this.#recent[place];
    if (agent?.is(id) !== true) {
      agent = this.#find(id);
      if (agent === undefined) return undefined;
      this.#recent[place] = agent;
    }
    agent.seenMs = nowMs;
    return agent;
  }

  #find(id: AgentId): Agent | undefined {
    const key = `${id.peer}/${id.words.join()}/${id.subAgent}`;
    const known = this.#agents.get(key);
    if (known !== undefined || this.#agents.size >= AGENTS_MAX) return known;
    const agent = new Agent(id);
    this.#agents.set(key, agent);
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
    this.#recent.fill(undefined);
    for (const [key, agent] of this.#agents) {
      if (nowMs - agent.seenMs <= LIFETIME_MS) continue;
      this.#sources -= agent.drops.size;
      this.#agents.delete(key);
    }
  }
}

function placeOf({ words, subAgent }: AgentId): number {
  let hash = mix32(0, subAgent);
  for (let i = 0; i < words.length; i++) hash = mix32(hash, words[i]!);
  return finish32(hash) & (RECENT - 1);
}
