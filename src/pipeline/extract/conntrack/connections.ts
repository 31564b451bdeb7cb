import { ConnectionTable, grown } from './connection-table.ts';
import type { ConntrackMetrics, EndReason } from './metrics.ts';
import type { ScheduleGroup } from './plan.ts';

/** Bits of a connection's state. */
const TERMINATING = 1;
const REPORTED = 2;

/** Connections of a group, by phase. */
interface Counts {
  active: number;
  terminating: number;
}

/** When the connections of a table end, and when they are reported. */
export class Connections {
  readonly table: ConnectionTable;
  readonly #groups: readonly ScheduleGroup[];
  readonly #metrics: ConntrackMetrics;
  #expiryMs = new Float64Array(0);
  #heartbeatMs = new Float64Array(0);
  #state = new Uint8Array(0);
  #group = new Uint16Array(0);
  /** Hash of the side A, which the direction of a flow is known by. */
  #sideHigh = new Int32Array(0);
  #sideLow = new Int32Array(0);
  /** By group, and as the metric has them. */
  readonly #counts: readonly Counts[];
  readonly #reported: readonly Counts[];

  constructor(limit: number, groups: readonly ScheduleGroup[], metrics: ConntrackMetrics) {
    this.table = new ConnectionTable(limit);
    this.#groups = groups;
    this.#metrics = metrics;
    this.#counts = groups.map(() => ({ active: 0, terminating: 0 }));
    this.#reported = groups.map(() => ({ active: 0, terminating: 0 }));
  }

  /** Adds a connection; `NO_CONNECTION` at the limit. */
  add(high: number, low: number): number {
    const slot = this.table.add(high, low);
    const { capacity } = this.table;
    if (this.#state.length === capacity) return slot;
    this.#expiryMs = grown(this.#expiryMs, capacity);
    this.#heartbeatMs = grown(this.#heartbeatMs, capacity);
    this.#state = grown(this.#state, capacity);
    this.#group = grown(this.#group, capacity);
    this.#sideHigh = grown(this.#sideHigh, capacity);
    this.#sideLow = grown(this.#sideLow, capacity);
    return slot;
  }

  setGroup(slot: number, group: number): void {
    this.#group[slot] = group;
  }

  setSide(slot: number, high: number, low: number): void {
    this.#sideHigh[slot] = high;
    this.#sideLow[slot] = low;
  }

  isFromA(slot: number, high: number, low: number): boolean {
    return this.#sideLow[slot] === low && this.#sideHigh[slot] === high;
  }

  begin(slot: number, nowMs: number): void {
    const group = this.#group[slot]!;
    this.#state[slot] = 0;
    this.#heartbeatMs[slot] = nowMs + this.#groups[group]!.times.heartbeatInterval;
    this.#counts[group]!.active++;
  }

  /** A flow of the connection came, which was not its last one. */
  extend(slot: number, nowMs: number): void {
    if ((this.#state[slot]! & TERMINATING) !== 0) return;
    const { times } = this.#groups[this.#group[slot]!]!;
    this.#expiryMs[slot] = nowMs + times.endConnectionTimeout;
  }

  terminate(slot: number, nowMs: number): void {
    if ((this.#state[slot]! & TERMINATING) !== 0) return;
    const group = this.#group[slot]!;
    this.#state[slot]! |= TERMINATING;
    this.#expiryMs[slot] = nowMs + this.#groups[group]!.times.terminatingTimeout;
    this.#counts[group]!.active--;
    this.#counts[group]!.terminating++;
  }

  /** Marks it as reported; true the first time. */
  report(slot: number): boolean {
    const isFirst = (this.#state[slot]! & REPORTED) === 0;
    this.#state[slot]! |= REPORTED;
    return isFirst;
  }

  /** Puts connections that are over into `slots`, which has room for all; returns their number. */
  over(nowMs: number, slots: Uint32Array): number {
    const { table } = this;
    let count = 0;
    for (let slot = 1; slot < table.end; slot++) {
      if (this.#expiryMs[slot]! <= nowMs && table.has(slot)) slots[count++] = slot;
    }
    return count;
  }

  /** The same for active connections whose time for a heartbeat has come; it begins anew. */
  heartbeats(nowMs: number, slots: Uint32Array): number {
    const { table } = this;
    let count = 0;
    for (let slot = 1; slot < table.end; slot++) {
      if (this.#heartbeatMs[slot]! > nowMs || !table.has(slot)) continue;
      if ((this.#state[slot]! & TERMINATING) !== 0) continue;
      const { times } = this.#groups[this.#group[slot]!]!;
      this.#heartbeatMs[slot] = nowMs + times.heartbeatInterval;
      slots[count++] = slot;
    }
    return count;
  }

  /** Removes connections; `reason` is that of those that no FIN ended. */
  end(slots: Uint32Array, count: number, reason: EndReason): void {
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!;
      const counts = this.#counts[this.#group[slot]!]!;
      if ((this.#state[slot]! & TERMINATING) !== 0) counts.terminating--;
      else counts.active--;
      this.table.remove(slot);
    }
    this.#countEnded(slots, count, reason);
  }

  #countEnded(slots: Uint32Array, count: number, reason: EndReason): void {
    for (const [index, { label }] of this.#groups.entries()) {
      let byFin = 0;
      let others = 0;
      for (let i = 0; i < count; i++) {
        if (this.#group[slots[i]!] !== index) continue;
        if ((this.#state[slots[i]!]! & TERMINATING) !== 0) byFin++;
        else others++;
      }
      if (byFin > 0) this.#metrics.ended(label, 'FIN_flag', byFin);
      if (others > 0) this.#metrics.ended(label, reason, others);
    }
  }

  /** Brings the metric of connections in memory up to date. */
  count(): void {
    for (const [index, { label }] of this.#groups.entries()) {
      const now = this.#counts[index]!;
      const before = this.#reported[index]!;
      for (const phase of ['active', 'terminating'] as const) {
        if (now[phase] === before[phase]) continue;
        this.#metrics.inMemory(label, phase, now[phase] - before[phase]);
        before[phase] = now[phase];
      }
    }
  }
}
