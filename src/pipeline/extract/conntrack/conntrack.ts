import type { Clock } from '../../../base/clock.ts';
import type { ColumnSpec, FlowBatch } from '../../../flow/batch.ts';
import { MISSING } from '../../../flow/intern.ts';
import type { ColumnTest } from '../../column-test.ts';
import type { Inlet } from '../../graph/inlet.ts';
import { ConntrackOptions, type RecordType } from '../../options/extract/conntrack.ts';
import { type Extractor, type StageContext, type StageType, stageType } from '../../stage.ts';
import { Assignment } from './assignment.ts';
import { NO_CONNECTION } from './connection-table.ts';
import { Connections } from './connections.ts';
import { echoOf } from './echo.ts';
import { type ConntrackMetrics, createConntrackMetrics, type EndReason } from './metrics.ts';
import type { SlotRows } from './outputs.ts';
import { type ConntrackPlan, planConntrack } from './plan.ts';
import { ConnectionRecords, setType } from './records.ts';

/** A connection takes some 100 bytes, and 8 to 16 more for each of its fields. */
const CONNECTIONS_MAX = 1_000_000;
const TICK_MS = 1000;

/** Joins flows into connections. */
export const conntrackExtract: StageType = stageType({
  section: 'extract',
  type: 'conntrack',
  schema: ConntrackOptions,
  create: (options, context) => new Conntrack(options, context),
});

class Conntrack implements Extractor {
  readonly kind = 'extractor';
  readonly name: string;
  readonly reads: readonly string[];
  readonly columns: readonly ColumnSpec[];
  readonly echoes: boolean;
  readonly tickMs = TICK_MS;
  readonly #detectsEnd: boolean;
  readonly #types: ReadonlySet<RecordType>;
  readonly #clock: Clock;
  readonly #metrics: ConntrackMetrics;
  readonly #plan: ConntrackPlan;
  readonly #connections: Connections;
  readonly #assignment: Assignment;
  readonly #records: ConnectionRecords;
  /** Slots below have room in all arrays by slot. */
  #capacity = 0;
  #slots = new Uint32Array(0);
  #rows = new Uint32Array(0);

  constructor(options: ConntrackOptions, context: StageContext) {
    this.name = context.name;
    this.#detectsEnd = options.tcpFlags.detectEndConnection;
    this.#types = new Set(options.outputRecordTypes);
    this.#clock = context.deps.clock;
    const metrics = createConntrackMetrics(context.deps.metrics);
    this.#metrics = metrics;
    this.#plan = planConntrack(options, context, {
      missing: (field, flows) => metrics.aggregatorError('MissingFieldError', field, flows),
      notNumber: (field, flows) => metrics.aggregatorError('Float64ConversionError', field, flows),
    });
    this.echoes = this.#types.has('flowLog');
    this.reads = this.#plan.reads;
    this.columns = this.#plan.columns;
    const { maxConnectionsTracked: max } = options;
    const limit = max === 0 ? CONNECTIONS_MAX : Math.min(max, CONNECTIONS_MAX);
    this.#connections = new Connections(limit, this.#plan.groups, metrics);
    this.#assignment = new Assignment(options.tcpFlags, this.#plan, this.#connections, metrics);
    this.#records = new ConnectionRecords(this.#plan, this.#connections);
  }

  push(batch: FlowBatch, inlet: Inlet): void {
    const nowMs = this.#clock.monotonicMs();
    const { straight, swapped, known } = this.#assignment;
    this.#assignment.assign(batch);
    this.#reserve();
    // The first flows alone, so that the record of a new connection has nothing of later ones.
    this.#begin(batch, straight, false, nowMs, inlet);
    this.#begin(batch, swapped, true, nowMs, inlet);
    this.#update(batch, known, nowMs);
    this.#connections.count();
    if (this.echoes) this.#echo(batch, inlet);
  }

  tick(inlet: Inlet): void {
    const nowMs = this.#clock.monotonicMs();
    this.#end(inlet, nowMs, 'timeout');
    if (!this.#types.has('heartbeat')) return;
    this.#emit(inlet, 'heartbeat', this.#slots, this.#connections.heartbeats(nowMs, this.#slots));
  }

  flush(inlet: Inlet): void {
    this.#end(inlet, Number.POSITIVE_INFINITY, 'shutdown');
  }

  #reserve(): void {
    const { capacity } = this.#connections.table;
    if (this.#capacity === capacity) return;
    this.#capacity = capacity;
    this.#slots = new Uint32Array(capacity);
    this.#records.reserve();
    for (const { values } of this.#plan.keys) values.reserve(capacity);
    for (const output of this.#plan.outputs) output.reserve(capacity);
  }

  #begin(batch: FlowBatch, flows: SlotRows, isSwapped: boolean, nowMs: number, inlet: Inlet): void {
    const { rows, slots, count } = flows;
    if (count === 0) return;
    for (let i = 0; i < count; i++) this.#records.clear(slots[i]!);
    for (const { name, mirror, values } of this.#plan.keys) {
      for (let i = 0; i < count; i++) values.clear(slots[i]!);
      values.take(batch, isSwapped ? mirror : name, rows, slots, count, false);
    }
    for (const output of this.#plan.outputs) {
      for (let i = 0; i < count; i++) output.clear(slots[i]!);
    }
    // The first group that matches counts, so it is set last.
    for (const [index, { tests, mirrored }] of [...this.#plan.groups.entries()].toReversed()) {
      this.#setGroup(batch, flows, isSwapped ? mirrored : tests, index);
    }
    for (let i = 0; i < count; i++) this.#connections.begin(slots[i]!, nowMs);
    this.#update(batch, flows, nowMs);
    this.#emit(inlet, 'newConnection', slots, count);
  }

  #setGroup(
    batch: FlowBatch,
    { rows, count }: SlotRows,
    tests: readonly ColumnTest[],
    index: number,
  ): void {
    if (this.#rows.length < batch.capacity) this.#rows = new Uint32Array(batch.capacity);
    const kept = this.#rows;
    kept.set(rows.subarray(0, count));
    let left = count;
    for (const test of tests) left = test.narrow(batch, kept, left, kept);
    const { slotOfRow } = this.#assignment;
    for (let i = 0; i < left; i++) this.#connections.setGroup(slotOfRow[kept[i]!]!, index);
  }

  #update(batch: FlowBatch, flows: SlotRows, nowMs: number): void {
    const { rows, slots, count } = flows;
    for (const output of this.#plan.outputs) output.update(batch, flows);
    let ended = 0;
    for (let i = 0; i < count; i++) {
      if (this.#detectsEnd && this.#assignment.hasFin(rows[i]!)) {
        this.#connections.terminate(slots[i]!, nowMs);
        ended++;
      } else this.#connections.extend(slots[i]!, nowMs);
    }
    if (ended > 0) this.#metrics.flags('detectEndConnection', ended);
  }

  #end(inlet: Inlet, nowMs: number, reason: EndReason): void {
    const slots = this.#slots;
    const count = this.#connections.over(nowMs, slots);
    this.#emit(inlet, 'endConnection', slots, count);
    this.#connections.end(slots, count, reason);
    this.#connections.count();
  }

  #emit(inlet: Inlet, type: RecordType, slots: Uint32Array, count: number): void {
    if (count === 0 || !this.#types.has(type)) return;
    this.#records.emit(inlet, type, slots, count);
    this.#metrics.output(type, count);
  }

  /** Emits the flows themselves. */
  #echo(batch: FlowBatch, inlet: Inlet): void {
    const { selected, selection } = batch;
    const echo = echoOf(batch, inlet);
    setType(echo, 'flowLog', selected);
    if (echo.has('_HashId')) this.#setHashIds(echo, selection);
    inlet.emit(echo);
    this.#metrics.output('flowLog', selected);
  }

  #setHashIds(echo: FlowBatch, selection: Uint32Array | undefined): void {
    const ids = echo.ids('_HashId');
    const { slotOfRow } = this.#assignment;
    const { tables, length } = echo;
    for (let i = 0; i < length; i++) {
      const slot = slotOfRow[selection === undefined ? i : selection[i]!]!;
      ids[i] = slot === NO_CONNECTION ? MISSING : this.#records.hashId(slot, tables);
    }
    this.#assignment.setOtherHashIds(ids, selection, tables);
  }
}
