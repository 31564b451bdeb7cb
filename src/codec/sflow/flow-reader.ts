import type { ErrorRow } from '../../base/errors.ts';
import type { BatchLayout, FlowBatch } from '../../flow/batch.ts';
import {
  clearOutcome,
  type DatagramOutcome,
  type DatagramSource,
  emptyOutcome,
} from '../exporters/datagram.ts';
import { type ExporterSampling, rateOf, type SamplingOf } from '../exporters/flow-limit.ts';
import { LATE } from '../exporters/session.ts';
import { type Agent, Agents } from './agents.ts';
import { addressBytes, loadAddress, padded, word32 } from './bytes.ts';
import { SAMPLE } from './columns.ts';
import { InterfaceCounters } from './counters.ts';
import { SFLOW_ERRORS } from './errors.ts';
import { DatagramFacts, FlowFiller } from './flow-filler.ts';
import { Sample, type Skips } from './sample.ts';

const VERSION = 5;
const WORD_BYTES = 4;
/** Version and type of the agent's address. */
const FIRST_BYTES = 8;
/** Sub-agent, sequence number, uptime, number of samples: behind the address. */
const REST_BYTES = 16;
const SAMPLE_HEAD_BYTES = 8;

/** Standard formats of samples. */
const FLOW = 1;
const COUNTERS = 2;
const FLOW_EXPANDED = 3;
const COUNTERS_EXPANDED = 4;

/** A source of an agent as one number: its type above its index. */
const SOURCE_TYPE = 2 ** 32;

/** Takes the counters of an interface of an agent. False: they were not wanted. */
export type TakeCounters = (agent: string, counters: InterfaceCounters) => boolean;

export interface SflowReaderOptions {
  /** Bytes and packets are multiplied by the sampling rate. */
  readonly corrects?: boolean;
  /** Absent: counters are passed over. */
  readonly takeCounters?: TakeCounters;
  readonly samplingOf?: SamplingOf;
}

/** The result of reading a datagram. The next one overwrites it. */
export interface SflowOutcome extends DatagramOutcome {
  /** Samples that the agent reports as lost, since its last report. */
  lostSamples: number;
  readonly skips: Skips;
}

/**
 * Reads datagrams of sFlow version 5 (sflow.org/sflow_version_5.txt) into batches: a flow for each
 * flow sample.
 *
 * Sequence numbers and losses belong to a sub-agent of an agent at an address. Any bytes are read
 * within their bounds; nothing is thrown.
 */
export class SflowReader {
  readonly outcome: SflowOutcome = {
    ...emptyOutcome('datagrams'),
    lostSamples: 0,
    skips: { counters: 0, samples: 0, records: 0, headers: 0 },
  };
  readonly #agents: Agents;
  readonly #sample = new Sample();
  readonly #facts = new DatagramFacts();
  readonly #filler: FlowFiller;

  readonly #counters = new InterfaceCounters();
  readonly #takeCounters: TakeCounters | undefined;
  readonly #samplingOf: SamplingOf | undefined;
  /** The batch with flows of the datagram that is read, and the first of these. */
  #batch: FlowBatch | undefined;
  #from = 0;
  /** That of the agent whose datagram is read. */
  #sampling: ExporterSampling | undefined;

  /** `earlier`: the reader that this one replaces, which is not used any more. */
  constructor(
    layout: BatchLayout,
    { corrects = false, takeCounters, samplingOf }: SflowReaderOptions = {},
    earlier?: SflowReader,
  ) {
    this.#agents = earlier === undefined ? new Agents() : earlier.#agents;
    this.#filler = new FlowFiller(layout, corrects);
    this.#takeCounters = takeCounters;
    this.#samplingOf = samplingOf;
  }

  /** Sub-agents that are known, and data sources of them. */
  get sizes(): { readonly agents: number; readonly sources: number } {
    return { agents: this.#agents.size, sources: this.#agents.sources };
  }

  /** Reports the values that did not fit the kind of their field, since the last call. */
  takeMisfits(report: (field: string, values: number) => void): void {
    this.#filler.takeMisfits(report);
  }

  /**
   * Reads a datagram. `room` gives the batch to fill, with room for a flow. It is called again when
   * that batch is full; by then, its flows are complete. Undefined: no flows are wanted now.
   *
   * `receivedMs` is the wall clock; `nowMs` is monotonic.
   */
  read(
    bytes: Uint8Array,
    source: DatagramSource,
    receivedMs: number,
    nowMs: number,
    room: () => FlowBatch | undefined,
  ): SflowOutcome {
    const { outcome } = this;
    clearOutcome(outcome);
    outcome.lostSamples = 0;
    outcome.skips.counters = 0;
    outcome.skips.samples = 0;
    outcome.skips.records = 0;
    outcome.skips.headers = 0;
    outcome.problem = this.#datagram(bytes, source, receivedMs, nowMs, room);
    return outcome;
  }

  #datagram(
    bytes: Uint8Array,
    source: DatagramSource,
    receivedMs: number,
    nowMs: number,
    room: () => FlowBatch | undefined,
  ): ErrorRow | undefined {
    if (bytes.length < WORD_BYTES || word32(bytes, 0) !== VERSION) return SFLOW_ERRORS.version;
    if (bytes.length < FIRST_BYTES) return SFLOW_ERRORS.truncated;
    const length = addressBytes(word32(bytes, WORD_BYTES));
    if (length === -1) return SFLOW_ERRORS.address;
    const rest = FIRST_BYTES + length;
    const first = rest + REST_BYTES;
    if (first > bytes.length) return SFLOW_ERRORS.truncated;
    const facts = this.#facts;
    const subAgent = word32(bytes, rest);
    const sequence = word32(bytes, rest + 4);
    facts.set(sequence, subAgent, receivedMs);
    facts.hasAddress = length > 0;
    facts.peer = source.address;
    facts.words.fill(0);
    loadAddress(facts.words, 0, bytes, FIRST_BYTES, length);
    const agent = this.#agents.of(facts, nowMs);
    this.#sampling = this.#samplingOf?.(agent?.text ?? facts.agentText(), nowMs);
    this.#sampling?.limit?.begin(nowMs);
    const missing =
      agent === undefined ? 0 : this.#agents.missing(agent, sequence, word32(bytes, rest + 8));
    this.outcome.missing = Math.max(missing, 0);
    // A late datagram has older counts.
    const counting = missing === LATE ? undefined : agent;
    this.#batch = undefined;
    const problem = this.#samples(bytes, first, word32(bytes, rest + 12), counting, room);
    this.#complete();
    this.#batch = undefined;
    return problem ?? (agent === undefined ? SFLOW_ERRORS.limit : undefined);
  }

  #samples(
    bytes: Uint8Array,
    start: number,
    count: number,
    agent: Agent | undefined,
    room: () => FlowBatch | undefined,
  ): ErrorRow | undefined {
    const { skips } = this.outcome;
    let first: ErrorRow | undefined;
    let at = start;
    for (let left = count; left > 0; left--) {
      if (bytes.length - at < SAMPLE_HEAD_BYTES) return first ?? SFLOW_ERRORS.truncated;
      const format = word32(bytes, at);
      const length = word32(bytes, at + WORD_BYTES);
      const body = at + SAMPLE_HEAD_BYTES;
      at = body + padded(length);
      if (at > bytes.length) return first ?? SFLOW_ERRORS.truncated;
      let problem: ErrorRow | undefined;
      if (format === FLOW || format === FLOW_EXPANDED) {
        const isExpanded = format === FLOW_EXPANDED;
        problem = this.#sample.read(bytes, body, body + length, isExpanded, skips);
        problem ??= this.#take(agent, room);
      } else if (format === COUNTERS || format === COUNTERS_EXPANDED) {
        const isExpanded = format === COUNTERS_EXPANDED;
        problem = this.#readCounters(bytes, body, body + length, isExpanded, agent);
      } else skips.samples++;
      first ??= problem;
    }
    return first;
  }

  /** Adds the flow of the sample that was read. */
  #take(agent: Agent | undefined, room: () => FlowBatch | undefined): ErrorRow | undefined {
    const sample = this.#sample;
    const { outcome } = this;
    const batch = this.#room(room);
    if (batch === undefined) outcome.lost++;
    else if (this.#passes()) {
      this.#filler.add(sample, batch);
      outcome.flows++;
    }
    if (agent === undefined) return undefined;
    const source = sample.sourceType * SOURCE_TYPE + sample.sourceIndex;
    const lost = this.#agents.lost(agent, source, sample.drops);
    if (lost === -1) return SFLOW_ERRORS.limit;
    outcome.lostSamples += lost;
    return undefined;
  }

  /** The batch with room for a flow. */
  #room(room: () => FlowBatch | undefined): FlowBatch | undefined {
    const open = this.#batch;
    if (open !== undefined && open.length < open.capacity) return open;
    this.#complete();
    const batch = room();
    this.#batch = batch;
    if (batch !== undefined) this.#from = batch.length;
    return batch;
  }

  /** Adds what all flows of the datagram share to those in the batch. */
  #complete(): void {
    const batch = this.#batch;
    if (batch !== undefined) this.#filler.complete(this.#facts, batch, this.#from);
  }

  /** Whether the sample is within the limit of its agent; sets its rate. */
  #passes(): boolean {
    const sampling = this.#sampling;
    if (sampling === undefined) return true;
    const { limit } = sampling;
    const passes = limit === undefined || limit.passes();
    limit?.note(1, passes ? 1 : 0);
    const { numbers } = this.#sample;
    const known = numbers.has(SAMPLE.SamplingRate) ? numbers.values[SAMPLE.SamplingRate]! : 0;
    const rate = rateOf(known, sampling);
    if (rate > 0) numbers.set(SAMPLE.SamplingRate, rate);
    if (!passes) this.outcome.limited++;
    return passes;
  }

  #readCounters(
    bytes: Uint8Array,
    at: number,
    end: number,
    isExpanded: boolean,
    agent: Agent | undefined,
  ): ErrorRow | undefined {
    const counters = this.#counters;
    const problem = counters.read(bytes, at, end, isExpanded);
    // Older counts, and those of an agent that there is no room for, would not add up.
    const taker = problem === undefined && counters.isThere ? agent : undefined;
    if (taker === undefined || this.#takeCounters?.(taker.text, counters) !== true) {
      this.outcome.skips.counters++;
    }
    return problem;
  }
}
