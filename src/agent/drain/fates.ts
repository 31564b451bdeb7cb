import { type FilterRule, keepsUnmatched } from '../filters/rule.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import { STATS_MAP } from '../loader/object.ts';
import type { AgentMetrics } from '../metrics.ts';
import { stat, statValue } from './layout.gen.ts';

/** Packets and bytes that share a fate. */
export interface Amount {
  readonly packets: number;
  readonly bytes: number;
}

/** The fate of every packet that the hooks saw; totals since start. */
export interface Fates {
  readonly recordedPackets: number;
  readonly recordedBytes: number;
  readonly sampledOutPackets: number;
  readonly sampledOutBytes: number;
  /** Not wanted by the filter rules. */
  readonly filteredPackets: number;
  readonly filteredBytes: number;
  /** By reason. `pipeline_full`: drained, but the pipeline did not take the batch. */
  readonly unrecorded: Readonly<Record<string, Amount>>;
}

/** Kernel statistics of unrecorded packets, by the name of the reason. */
type Reasons = readonly (readonly [reason: string, index: number])[];

/** Packets that filter rules do not apply to. `not_looked_into`: there may be IP inside. */
const BEFORE_RULES: Reasons = [
  ['not_ip', stat.notIp],
  ['malformed', stat.malformed],
  ['not_looked_into', stat.notLookedInto],
];

/** Packets that the rules accepted, but that are in no flow. */
const OF_FLOWS: Reasons = [
  ['map_full', stat.mapFull],
  ['map_error', stat.mapError],
];

/** The same for captures: earlier packets were not read in time. */
const OF_CAPTURES: Reasons = [['capture_full', stat.captureFull]];

/** How `netobserv-ebpf-agent` counts the same packets. */
const ORIGINAL_REASONS: Readonly<Record<string, string>> = {
  map_full: 'CannotCreateFlowsHashMap',
  map_error: 'CannotUpdateFlowsHashMap',
};

type FilterReason = 'FilterReject' | 'FilterAccept' | 'FilterNoMatch';

const WORD = 2 ** 32;
const NOTHING: Amount = { packets: 0, bytes: 0 };

/** Adds up the fate of packets; `refresh` reads what the kernel counted. */
export class FateCounter {
  readonly #native: Native;
  readonly #object: BpfObject;
  readonly #metrics: AgentMetrics;
  readonly #rules: readonly FilterRule[];
  readonly #afterRules: Reasons;
  readonly #values: Uint8Array;
  readonly #unrecorded = new Map<string, Amount>();
  /** Earlier counts, which exist where another loader loaded the programs. */
  readonly #before = new Map<number, Amount>();
  /**
   * A hook subtracts from the count packets that another hook has filtered, but metrics never
   * decrease: they wait until the total has caught up.
   */
  readonly #reasonsPublished = new Map<FilterReason, number>();
  #filteredPublished = NOTHING;
  #recorded = NOTHING;
  #dropped = NOTHING;
  #sampledOut = NOTHING;
  #rejected = NOTHING;
  #unmatched = NOTHING;
  /** Recorded by the hooks and left out when drained. */
  #leftOut = NOTHING;
  #filtered = NOTHING;
  #missed = NOTHING;

  constructor(
    native: Native,
    object: BpfObject,
    metrics: AgentMetrics,
    config: {
      readonly rules?: readonly FilterRule[] | undefined;
      readonly isCapture?: boolean;
    } = {},
  ) {
    this.#native = native;
    this.#object = object;
    this.#metrics = metrics;
    this.#rules = config.rules ?? [];
    this.#afterRules = config.isCapture === true ? OF_CAPTURES : OF_FLOWS;
    this.#values = new Uint8Array(native.possibleCpus() * statValue.sizeBytes);
    for (let index = 0; index < stat.count; index++) this.#before.set(index, this.#read(index));
    for (const [reason] of this.#reasons()) this.#unrecorded.set(reason, NOTHING);
    for (const reason of [...this.#unrecorded.keys(), 'sampled_out', 'filtered', 'pipeline_full']) {
      this.#count(reason, NOTHING, NOTHING);
    }
  }

  /** Counts flows that the pipeline took. */
  addRecorded(packets: number, bytes: number): void {
    const { recordedPackets, recordedBytes } = this.#metrics;
    this.#recorded = plus(this.#recorded, { packets, bytes });
    recordedPackets.inc(packets);
    recordedBytes.inc(bytes);
  }

  /** Counts flows that the pipeline did not take. */
  addDropped(flows: number, packets: number, bytes: number): void {
    this.#dropped = plus(this.#dropped, { packets, bytes });
    this.#metrics.droppedFlows.inc({ source: 'limiter', reason: 'full' }, flows);
    this.#count('pipeline_full', NOTHING, { packets, bytes });
  }

  /** Counts flows that no filter rule wants after all. */
  addFiltered(packets: number, bytes: number): void {
    this.#leftOut = plus(this.#leftOut, { packets, bytes });
  }

  refresh(): void {
    const { droppedFlows, interfacesMissed } = this.#metrics;
    for (const [reason, index] of this.#reasons()) {
      const before = this.#unrecorded.get(reason)!;
      const now = this.statistic(index);
      this.#unrecorded.set(reason, now);
      this.#count(reason, before, now);
      const packets = now.packets - before.packets;
      const original = ORIGINAL_REASONS[reason];
      if (original !== undefined && packets > 0) {
        droppedFlows.inc({ source: 'flow-fetcher', reason: original }, packets);
      }
    }
    const sampledOut = this.statistic(stat.sampledOut);
    this.#count('sampled_out', this.#sampledOut, sampledOut);
    this.#sampledOut = sampledOut;
    if (this.#rules.length > 0) this.#refreshFiltered();
    const missed = this.statistic(stat.interfacesMissed);
    const missing = missed.packets - this.#missed.packets;
    interfacesMissed.inc(missing);
    this.#metrics.error('flow-fetcher', 'MaxObservedInterfacesReached', 'low', missing);
    this.#missed = missed;
  }

  view(): Fates {
    return {
      recordedPackets: this.#recorded.packets,
      recordedBytes: this.#recorded.bytes,
      sampledOutPackets: this.#sampledOut.packets,
      sampledOutBytes: this.#sampledOut.bytes,
      filteredPackets: this.#filtered.packets,
      filteredBytes: this.#filtered.bytes,
      unrecorded: { ...Object.fromEntries(this.#unrecorded), pipeline_full: this.#dropped },
    };
  }

  #reasons(): Reasons {
    return [...BEFORE_RULES, ...this.#afterRules];
  }

  #refreshFiltered(): void {
    this.#rejected = this.statistic(stat.rejected);
    this.#unmatched = this.statistic(stat.unmatched);
    this.#filtered = plus(this.#rejected, plus(this.#unmatched, this.#leftOut));
    const published = atLeast(this.#filteredPublished, this.#filtered);
    this.#count('filtered', this.#filteredPublished, published);
    this.#filteredPublished = published;

    const unmatched = this.#unmatched.packets + this.#leftOut.packets;
    this.#countFiltered('FilterReject', this.#rejected.packets);
    if (keepsUnmatched(this.#rules)) {
      this.#countFiltered('FilterNoMatch', unmatched + this.#keptPackets());
    } else {
      this.#countFiltered('FilterNoMatch', unmatched);
      this.#countFiltered('FilterAccept', this.#keptPackets());
    }
  }

  /** Packets that the rules accepted, including those lost or left out later. */
  #keptPackets(): number {
    const parts = [this.#recorded, this.#dropped];
    for (const [reason] of this.#afterRules) parts.push(this.#unrecorded.get(reason)!);
    // If rules have rates, packets are sampled after the rules; otherwise before.
    if (this.#rules.some(({ sample }) => sample > 0)) parts.push(this.#sampledOut);
    return parts.reduce((sum, { packets }) => sum + packets, 0);
  }

  #countFiltered(reason: FilterReason, total: number): void {
    const before = this.#reasonsPublished.get(reason) ?? 0;
    if (total <= before) return;
    this.#metrics.filteredFlows.inc({ source: 'flow-filtering', reason }, total - before);
    this.#reasonsPublished.set(reason, total);
  }

  #count(reason: string, before: Amount, now: Amount): void {
    const { unrecordedPackets, unrecordedBytes } = this.#metrics;
    unrecordedPackets.inc({ reason }, now.packets - before.packets);
    unrecordedBytes.inc({ reason }, now.bytes - before.bytes);
  }

  /** One of the kernel's statistics, since the start. */
  statistic(index: number): Amount {
    const now = this.#read(index);
    const before = this.#before.get(index)!;
    return { packets: now.packets - before.packets, bytes: now.bytes - before.bytes };
  }

  /** Sum over CPUs. */
  #read(index: number): Amount {
    this.#native.readMap(this.#object, STATS_MAP, index, this.#values);
    const view = new DataView(this.#values.buffer);
    return {
      packets: sumOverCpus(view, statValue.packets),
      bytes: sumOverCpus(view, statValue.bytes),
    };
  }
}

/**
 * Exact to 2^53. One CPU may subtract what another CPU has counted, so a single number may be
 * negative; the sum is right modulo 2^64.
 */
function sumOverCpus(view: DataView, at: number): number {
  let low = 0;
  let high = 0;
  for (let offset = at; offset < view.byteLength; offset += statValue.sizeBytes) {
    low += view.getUint32(offset, true);
    high += view.getUint32(offset + 4, true);
  }
  high = (high + Math.floor(low / WORD)) % WORD;
  return (high >= WORD / 2 ? high - WORD : high) * WORD + (low % WORD);
}

function plus(one: Amount, other: Amount): Amount {
  return { packets: one.packets + other.packets, bytes: one.bytes + other.bytes };
}

function atLeast(least: Amount, now: Amount): Amount {
  return {
    packets: Math.max(least.packets, now.packets),
    bytes: Math.max(least.bytes, now.bytes),
  };
}
