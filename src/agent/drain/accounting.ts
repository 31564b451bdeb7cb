import type { AgentMetrics } from '../metrics.ts';
import type { Amount, FateCounter, Fates } from './fates.ts';
import { stat } from './layout.gen.ts';

/** The fate of every packet, with totals. */
export interface AccountingView extends Fates {
  /** The sum of all fates of packets. */
  readonly seenPackets: number;
  readonly seenBytes: number;
  /** Packets that were recorded without data for some feature, by reason. */
  readonly incomplete: Readonly<Record<string, number>>;
}

/** Kernel statistics of packets that were recorded, but not as completely as configured. */
const INCOMPLETE = [
  ['message_lost', stat.messagesLost],
  ['table_full', stat.featureLost],
  ['flow_lost', stat.probeLost],
  ['dns_unfollowed', stat.dnsUnfollowed],
] as const;

/** Kernel statistics of data that a feature has lost, which peers can cause. */
const LOSSES = [['dns', 'query_unknown', stat.dnsUnasked]] as const;

/** Kernel statistics of events that probes saw, but that belong to no flow. */
const SKIPS = [
  ['not_watched', stat.notWatched],
  ['other_host', stat.otherHost],
  ['unexplained', stat.unexplained],
] as const;

/** Accounts for every packet: its fate, the total seen, and those recorded incompletely. */
export class Accounting {
  readonly #fates: FateCounter;
  readonly #metrics: AgentMetrics;
  readonly #incomplete = new Map<string, number>();
  readonly #skips = new Map<string, number>();
  readonly #losses = new Map<string, number>();
  #busyEntries = 0;
  #seen: Amount = { packets: 0, bytes: 0 };

  constructor(fates: FateCounter, metrics: AgentMetrics) {
    this.#fates = fates;
    this.#metrics = metrics;
    for (const [reason] of INCOMPLETE) metrics.incompletePackets.inc({ reason }, 0);
  }

  /** Reads what the kernel counted. */
  refresh(): void {
    const { seenPackets, seenBytes, incompletePackets, probeSkips } = this.#metrics;
    this.#fates.refresh();
    this.#publish(INCOMPLETE, this.#incomplete, incompletePackets);
    this.#publish(SKIPS, this.#skips, probeSkips);
    this.#publishLosses();
    this.#publishBusy();
    // Counters never decrease: they wait while one hook subtracts what another has counted.
    const { packets, bytes } = seenIn(this.#fates.view());
    const before = this.#seen;
    this.#seen = {
      packets: Math.max(before.packets, packets),
      bytes: Math.max(before.bytes, bytes),
    };
    seenPackets.inc(this.#seen.packets - before.packets);
    seenBytes.inc(this.#seen.bytes - before.bytes);
  }

  #publish(
    statistics: typeof INCOMPLETE | typeof SKIPS,
    published: Map<string, number>,
    counter: AgentMetrics['probeSkips'],
  ): void {
    for (const [reason, index] of statistics) {
      const { packets } = this.#fates.statistic(index);
      counter.inc({ reason }, packets - (published.get(reason) ?? 0));
      published.set(reason, packets);
    }
  }

  #publishLosses(): void {
    for (const [feature, reason, index] of LOSSES) {
      const { packets } = this.#fates.statistic(index);
      this.#metrics.lost(feature, reason, packets - (this.#losses.get(reason) ?? 0));
      this.#losses.set(reason, packets);
    }
  }

  /** Publishes statistics of tables beside flows, see bpf/side-tables.h. */
  #publishBusy(): void {
    const { packets } = this.#fates.statistic(stat.sideBusy);
    this.#metrics.busyEntries.inc(packets - this.#busyEntries);
    this.#busyEntries = packets;
  }

  view(): AccountingView {
    const fates = this.#fates.view();
    const { packets, bytes } = seenIn(fates);
    return {
      ...fates,
      seenPackets: packets,
      seenBytes: bytes,
      incomplete: Object.fromEntries(this.#incomplete),
    };
  }
}

function seenIn(fates: Fates): Amount {
  const { recordedPackets, recordedBytes, sampledOutPackets, sampledOutBytes } = fates;
  const { filteredPackets, filteredBytes } = fates;
  return Object.values(fates.unrecorded).reduce(
    (sum, { packets, bytes }) => ({ packets: sum.packets + packets, bytes: sum.bytes + bytes }),
    {
      packets: recordedPackets + sampledOutPackets + filteredPackets,
      bytes: recordedBytes + sampledOutBytes + filteredBytes,
    },
  );
}
