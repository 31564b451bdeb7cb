import type { BpfObject, Native } from '../loader/native.ts';
import { STATS_MAP } from '../loader/object.ts';
import type { AgentMetrics } from '../metrics.ts';
import { stat, statValue } from './layout.gen.ts';

/** Packets and bytes that share a fate. */
export interface Amount {
  readonly packets: number;
  readonly bytes: number;
}

/** What became of every packet that the hooks saw; monotonic totals since start. */
export interface Accounting {
  readonly recordedPackets: number;
  readonly recordedBytes: number;
  readonly sampledOutPackets: number;
  readonly sampledOutBytes: number;
  /** By reason. `pipeline_full`: drained, but the pipeline did not take the batch. */
  readonly unrecorded: Readonly<Record<string, Amount>>;
}

/** Kernel statistics of packets that are in no flow, by the name of their reason. */
const UNRECORDED = [
  ['not_ip', stat.notIp],
  ['malformed', stat.malformed],
  ['map_full', stat.mapFull],
  ['map_error', stat.mapError],
] as const;

/** How the original counts the same, as packets. */
const ORIGINAL_REASONS: Readonly<Record<string, string>> = {
  map_full: 'CannotCreateFlowsHashMap',
  map_error: 'CannotUpdateFlowsHashMap',
};

const WORD = 2 ** 32;

/** Adds up the fate of packets; `refresh` reads what the kernel counted. */
export class Ledger {
  readonly #native: Native;
  readonly #object: BpfObject;
  readonly #metrics: AgentMetrics;
  readonly #values: Uint8Array;
  readonly #unrecorded = new Map<string, Amount>();
  /** What had been counted before, which is something where others loaded the programs. */
  readonly #before = new Map<number, Amount>();
  #recorded: Amount = { packets: 0, bytes: 0 };
  #dropped: Amount = { packets: 0, bytes: 0 };
  #sampledOut: Amount = { packets: 0, bytes: 0 };
  #missed: Amount = { packets: 0, bytes: 0 };

  constructor(native: Native, object: BpfObject, metrics: AgentMetrics) {
    this.#native = native;
    this.#object = object;
    this.#metrics = metrics;
    this.#values = new Uint8Array(native.possibleCpus() * statValue.sizeBytes);
    for (let index = 0; index < stat.count; index++) this.#before.set(index, this.#read(index));
    for (const [reason] of UNRECORDED) this.#unrecorded.set(reason, { packets: 0, bytes: 0 });
  }

  /** Flows that the pipeline took. */
  addRecorded(packets: number, bytes: number): void {
    const { recordedPackets, recordedBytes } = this.#metrics;
    this.#recorded = {
      packets: this.#recorded.packets + packets,
      bytes: this.#recorded.bytes + bytes,
    };
    recordedPackets.inc(packets);
    recordedBytes.inc(bytes);
  }

  /** Flows that the pipeline did not take. */
  addDropped(flows: number, packets: number, bytes: number): void {
    const { droppedFlows, unrecordedPackets, unrecordedBytes } = this.#metrics;
    this.#dropped = {
      packets: this.#dropped.packets + packets,
      bytes: this.#dropped.bytes + bytes,
    };
    droppedFlows.inc({ source: 'limiter', reason: 'full' }, flows);
    unrecordedPackets.inc({ reason: 'pipeline_full' }, packets);
    unrecordedBytes.inc({ reason: 'pipeline_full' }, bytes);
  }

  refresh(): void {
    const { droppedFlows, unrecordedPackets, unrecordedBytes, interfacesMissed } = this.#metrics;
    for (const [reason, index] of UNRECORDED) {
      const before = this.#unrecorded.get(reason)!;
      const now = this.statistic(index);
      this.#unrecorded.set(reason, now);
      const packets = now.packets - before.packets;
      unrecordedPackets.inc({ reason }, packets);
      unrecordedBytes.inc({ reason }, now.bytes - before.bytes);
      const original = ORIGINAL_REASONS[reason];
      if (original !== undefined && packets > 0) {
        droppedFlows.inc({ source: 'flow-fetcher', reason: original }, packets);
      }
    }
    const sampledOut = this.statistic(stat.sampledOut);
    unrecordedPackets.inc({ reason: 'sampled_out' }, sampledOut.packets - this.#sampledOut.packets);
    unrecordedBytes.inc({ reason: 'sampled_out' }, sampledOut.bytes - this.#sampledOut.bytes);
    this.#sampledOut = sampledOut;
    const missed = this.statistic(stat.interfacesMissed);
    interfacesMissed.inc(missed.packets - this.#missed.packets);
    this.#missed = missed;
  }

  view(): Accounting {
    return {
      recordedPackets: this.#recorded.packets,
      recordedBytes: this.#recorded.bytes,
      sampledOutPackets: this.#sampledOut.packets,
      sampledOutBytes: this.#sampledOut.bytes,
      unrecorded: { ...Object.fromEntries(this.#unrecorded), pipeline_full: this.#dropped },
    };
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
    let packets = 0;
    let bytes = 0;
    for (let at = 0; at < this.#values.length; at += statValue.sizeBytes) {
      packets += u64(view, at + statValue.packets);
      bytes += u64(view, at + statValue.bytes);
    }
    return { packets, bytes };
  }
}

/** Exact to 2^53. */
function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * WORD;
}
