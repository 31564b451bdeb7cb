import { NO_NUMBER } from '../../base/word-table.ts';
import type { ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import type { FieldKind } from '../../flow/field.ts';
import type { Row } from '../../flow/row.ts';
import { EMPTY_VALUE, LabelValues } from '../encode/prom/label-values.ts';
import type { Inlet } from '../graph/inlet.ts';
import { MatrixOptions } from '../options/extract/matrix.ts';
import { ConfigProblems } from '../problems.ts';
import { type Extractor, type StageContext, type StageType, stageType } from '../stage.ts';
import { requireKind } from '../transform/require-kind.ts';
import { COUNTS, Conversations } from './conversations.ts';
import { createGroupMetrics, createMatrixMetrics, type GroupMetrics } from './metrics.ts';
import { gatherNumbers } from './numbers.ts';
import { Openers } from './openers.ts';
import { Pairs } from './pairs.ts';
import { RowWriter } from './row-writer.ts';
import { keyColumns, requireOption } from './rule.ts';

/** Each takes some 150 bytes. */
const CONVERSATIONS_MAX = 2 ** 18;
const REMEMBERED_MS = 300_000;
const WINDOW_MIN_MS = 1000;
/** Up to this many values that no conversation has are tolerated. */
const STALE_VALUES_MAX = 10_000;

/** Kinds of the columns that are read besides the ends. */
const READ = {
  SrcPort: 'u16',
  DstPort: 'u16',
  Proto: 'u8',
  Flags: 'u16',
  Initiator: 'u8',
  Bytes: 'f64',
  Packets: 'f64',
} as const satisfies Readonly<Record<string, FieldKind>>;

const WHAT = ['Bytes', 'Packets', 'Flows'] as const;
/** In the order of the counts. */
const COUNT_NAMES = ['Client', 'Server'].flatMap((end) => WHAT.map((what) => end + what));
/** Names of ends that would be those of other columns. */
const OWN_NAMES: ReadonlySet<string> = new Set([...WHAT, 'Port']);

const OWN_COLUMNS: readonly ColumnSpec[] = [
  { name: 'ServerPort', kind: 'u16' },
  { name: 'Proto', kind: 'u8' },
  ...COUNT_NAMES.map((name): ColumnSpec => ({ name, kind: 'f64' })),
  { name: 'TimeFlowStartMs', kind: 'f64' },
  { name: 'TimeFlowEndMs', kind: 'f64' },
];

/** Who talks to whom: clients and servers, with what both sent. */
export const matrixExtract: StageType = stageType({
  section: 'extract',
  type: 'matrix',
  schema: MatrixOptions,
  create: (options, context) => new Matrix(options, context),
});

class Matrix implements Extractor {
  readonly kind = 'extractor';
  readonly name: string;
  readonly reads: readonly string[];
  readonly columns: readonly ColumnSpec[];
  readonly tickMs: number;
  readonly #context: StageContext;
  readonly #ends: MatrixOptions['ends'];
  readonly #metrics: GroupMetrics;
  readonly #unremembered: (flows: number) => void;
  readonly #values = new LabelValues();
  readonly #openers = new Openers();
  readonly #conversations: Conversations;
  readonly #pairs: Pairs;
  /** Words of the rows: names and port plus one of both ends, and the protocol plus one. */
  #words = new Uint32Array(0);
  #rows = new Uint32Array(0);
  #bytes = new Float64Array(0);
  #packets = new Float64Array(0);
  /** Counts of one flow that is not remembered. */
  readonly #single = new Float64Array(2 * COUNTS);
  #windowMs: number;

  constructor({ window, maxPairs, ends }: MatrixOptions, context: StageContext) {
    this.name = context.name;
    this.#context = context;
    this.#ends = ends;
    this.tickMs = window;
    this.columns = [...endColumns(window, ends, context), ...OWN_COLUMNS];
    const fields = ends.flatMap(({ source, destination }) => [source, destination]);
    this.reads = [...new Set([...fields, ...Object.keys(READ)])];
    const { metrics, clock } = context.deps;
    this.#metrics = createGroupMetrics(metrics, context.name);
    this.#unremembered = createMatrixMetrics(metrics, context.name);
    this.#conversations = new Conversations(ends.length + 1, CONVERSATIONS_MAX);
    this.#pairs = new Pairs(ends.length + 1, maxPairs);
    this.#windowMs = clock.nowMs();
  }

  push(batch: FlowBatch): void {
    const rows = this.#load(batch);
    const { selected } = batch;
    const nowMs = this.#context.deps.clock.monotonicMs();
    const { evidence, isReply } = this.#openers;
    const width = this.#conversations.table.width;
    let unremembered = 0;
    for (let i = 0; i < selected; i++) {
      const row = rows[i]!;
      const bytes = this.#bytes[i]! || 0;
      const packets = this.#packets[i]! || 0;
      const slot = this.#conversations.find(this.#words, row * width);
      if (slot === NO_NUMBER) {
        this.#addSingle(row, bytes, packets);
        unremembered++;
        continue;
      }
      this.#conversations.learn(slot, evidence[row]!, isReply[row] === 1);
      this.#conversations.add(slot, bytes, packets, nowMs);
    }
    if (unremembered > 0) this.#unremembered(unremembered);
  }

  tick(inlet: Inlet): void {
    const { clock } = this.#context.deps;
    this.flush(inlet);
    this.#conversations.forget(clock.monotonicMs() - REMEMBERED_MS);
    this.#compact();
    this.#windowMs = clock.nowMs();
  }

  flush(inlet: Inlet): void {
    const conversations = this.#conversations;
    const { table, counts, evidence, isReply } = conversations;
    for (let slot = 1; slot < table.end; slot++) {
      if (!table.has(slot) || conversations.flows(slot) === 0) continue;
      this.#pairs.add({
        ...{ words: table.words(slot), at: 0, counts, countsAt: slot * 2 * COUNTS },
        ...{ evidence: evidence[slot]!, isReply: isReply[slot] === 1 },
      });
      conversations.clearCounts(slot);
    }
    const pairs = this.#pairs;
    const writer = new RowWriter(inlet);
    const endMs = this.#context.deps.clock.nowMs();
    for (let slot = 1; slot < pairs.table.end; slot++) writer.write(this.#rowOf(slot, endMs));
    for (const [field, values] of writer.end()) this.#context.counts.unconverted(field, values);
    this.#metrics.rejected('', pairs.rejected);
    this.#metrics.groups('', pairs.table.size);
    pairs.clear();
  }

  /** Reads the columns of a batch; returns its selected rows. */
  #load(batch: FlowBatch): Uint32Array {
    const { capacity, selection, selected } = batch;
    const { width } = this.#conversations.table;
    if (this.#rows.length < capacity) {
      this.#rows = new Uint32Array(capacity);
      this.#bytes = new Float64Array(capacity);
      this.#packets = new Float64Array(capacity);
      this.#words = new Uint32Array(capacity * width);
    }
    const rows = this.#rows;
    if (selection !== undefined) rows.set(selection);
    else for (let row = 0; row < selected; row++) rows[row] = row;
    gatherNumbers(batch, 'Bytes', rows, selected, this.#bytes);
    gatherNumbers(batch, 'Packets', rows, selected, this.#packets);
    this.#openers.read(batch);
    const names = this.#ends.length;
    const destination = names + 1;
    for (const [at, end] of this.#ends.entries()) {
      this.#values.read(batch, end.source, rows, selected, this.#words, at, width);
      const into = destination + at;
      this.#values.read(batch, end.destination, rows, selected, this.#words, into, width);
    }
    readNumbers(batch, 'SrcPort', rows, this.#words, names, width);
    readNumbers(batch, 'DstPort', rows, this.#words, destination + names, width);
    readNumbers(batch, 'Proto', rows, this.#words, 2 * destination, width);
    return rows;
  }

  /** A flow whose conversation found no room decides for itself. */
  #addSingle(row: number, bytes: number, packets: number): void {
    const counts = this.#single;
    counts[0] = bytes;
    counts[1] = packets;
    counts[2] = 1;
    const { evidence, isReply } = this.#openers;
    this.#pairs.add({
      ...{ words: this.#words, at: row * this.#conversations.table.width, counts, countsAt: 0 },
      ...{ evidence: evidence[row]!, isReply: isReply[row] === 1 },
    });
  }

  #rowOf(slot: number, endMs: number): Row {
    const { table, counts } = this.#pairs;
    const names = this.#ends.length;
    const server = names + 1;
    const row: Record<string, unknown> = {};
    for (const [at, { name }] of this.#ends.entries()) {
      row[`Client${name}`] = this.#text(table.word(slot, at));
      row[`Server${name}`] = this.#text(table.word(slot, server + at));
    }
    row.ServerPort = numberOf(table.word(slot, server + names));
    row.Proto = numberOf(table.word(slot, 2 * server));
    for (const [index, name] of COUNT_NAMES.entries())
      row[name] = counts[slot * 2 * COUNTS + index];
    row.TimeFlowStartMs = this.#windowMs;
    row.TimeFlowEndMs = endMs;
    return row;
  }

  #text(id: number): string | undefined {
    return id === EMPTY_VALUE ? undefined : this.#values.text(id);
  }

  /** Forgets values that no conversation has, once they are many. */
  #compact(): void {
    const { table } = this.#conversations;
    const names = this.#ends.length;
    if (this.#values.size <= table.size * 2 * names + STALE_VALUES_MAX) return;
    const live: Uint32Array[] = [];
    for (let slot = 1; slot < table.end; slot++) {
      if (!table.has(slot)) continue;
      const words = table.words(slot);
      live.push(words.subarray(0, names), words.subarray(names + 1, 2 * names + 1));
    }
    this.#values.compact(live);
    table.rehash();
  }
}

/** Columns of the ends; throws all mistakes in the options. */
function endColumns(
  window: number,
  ends: MatrixOptions['ends'],
  context: StageContext,
): readonly ColumnSpec[] {
  const problems = new ConfigProblems();
  problems.attempt(() =>
    requireOption(window >= WINDOW_MIN_MS, 'window', 'must be at least 1s', context),
  );
  for (const [field, kind] of Object.entries(READ)) {
    if (context.kindOf(field) === undefined) continue;
    problems.attempt(() => requireKind(context, 'ends', field, [kind]));
  }
  const columns = ends.flatMap(({ name, source, destination }, index) => {
    const option = `ends[${index}]`;
    problems.attempt(() => {
      const isUsed = ends.findIndex((other) => other.name === name) < index || OWN_NAMES.has(name);
      requireOption(!isUsed, `${option}.name`, `Client${name} is another column`, context);
    });
    const [own] = problems.attempt(() => keyColumns([source], `${option}.source`, context)) ?? [];
    problems.attempt(() => keyColumns([destination], `${option}.destination`, context));
    const kind = own?.kind ?? 'str';
    return [`Client${name}`, `Server${name}`].map((column) => ({ name: column, kind }));
  });
  problems.throwAll();
  return columns;
}

/** Puts the value plus one of each row into its words; 0: it has none. */
function readNumbers(
  batch: FlowBatch,
  field: 'SrcPort' | 'DstPort' | 'Proto',
  rows: Uint32Array,
  words: Uint32Array,
  at: number,
  stride: number,
): void {
  const { selected } = batch;
  const isThere = batch.has(field);
  const values = isThere ? batch[READ[field]](field) : NO_VALUES;
  const present = isThere ? batch.present(field) : NO_BITS;
  for (let i = 0; i < selected; i++) {
    const row = rows[i]!;
    words[row * stride + at] = isThere && hasBit(present, row) ? values[row]! + 1 : 0;
  }
}

const NO_VALUES = new Uint8Array(0);
const NO_BITS = new Uint32Array(0);

function numberOf(word: number): number | undefined {
  return word === 0 ? undefined : word - 1;
}
