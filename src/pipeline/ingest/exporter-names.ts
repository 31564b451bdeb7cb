import { formatAddress } from '../../base/ip.ts';
import type { F64Column, FlowBatch, U32Column } from '../../flow/batch.ts';
import { hasBit, setBit } from '../../flow/bits.ts';
import { IdMemo, UNKNOWN } from '../../flow/id-memo.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
import type { Transform, Writes } from '../stage.ts';
import type { ExporterBook } from './exporter-book.ts';
import type { LearntInterfaces } from './learnt-interfaces.ts';

const SIDES = ['In', 'Out'] as const;
const INPUTS = ['SamplerAddress', ...SIDES.map((side) => `${side}If`)];
const TEXTS = [
  ...['SamplerName', 'SamplerSite', 'SamplerRole'],
  ...SIDES.flatMap((side) => [`${side}IfName`, `${side}IfDescription`]),
];
const SPEEDS = SIDES.map((side) => `${side}IfSpeedMbps`);

const WRITES: Writes = [
  ...TEXTS.map((name) => ({ name, kind: 'str' }) as const),
  ...SPEEDS.map((name) => ({ name, kind: 'f64' }) as const),
];

/** In the memo: nothing is known about the exporter. Places in `#entries` are stored plus two. */
const NOTHING = 1;

/** An exporter's texts in one generation of the tables; 0: none. */
interface Entry {
  readonly name: number;
  readonly site: number;
  readonly role: number;
  /** SNMP index → place in the arrays. */
  readonly places: ReadonlyMap<number, number>;
  readonly names: readonly number[];
  readonly descriptions: readonly number[];
  readonly speeds: readonly number[];
}

/** The columns of one side of a batch; undefined: nothing reads it. */
interface Side {
  readonly index: U32Column;
  readonly names: Uint32Array | undefined;
  readonly descriptions: Uint32Array | undefined;
  readonly speeds: F64Column | undefined;
}

/** Names exporters and their interfaces: by the book or, for interfaces, as they say themselves. */
export class ExporterNames implements Transform {
  readonly kind = 'transform';
  readonly name = 'names of exporters';
  readonly reads = INPUTS;
  readonly writes = WRITES;
  readonly #book: ExporterBook;
  readonly #learnt: LearntInterfaces | undefined;
  readonly #memo = new IdMemo();
  readonly #bytes = new Uint8Array(16);
  #entries: Entry[] = [];
  #clearings = 0;

  /** `learnt`: names that exporters send; the book's come first. */
  constructor(book: ExporterBook, learnt?: LearntInterfaces) {
    this.#book = book;
    this.#learnt = learnt;
  }

  apply(batch: FlowBatch): void {
    this.#book.look();
    const isEmpty = this.#book.size === 0 && (this.#learnt?.size ?? 0) === 0;
    if (isEmpty || !batch.has('SamplerAddress')) return;
    const { tables, length } = batch;
    const version = this.#book.version + (this.#learnt?.version ?? 0);
    const memo = this.#memo.for(tables, tables.addresses.size, version);
    if (this.#memo.clearings !== this.#clearings) {
      this.#clearings = this.#memo.clearings;
      this.#entries = [];
    }
    const exporters = batch.ids('SamplerAddress');
    const names = idsOf(batch, 'SamplerName');
    const sites = idsOf(batch, 'SamplerSite');
    const roles = idsOf(batch, 'SamplerRole');
    const sides = SIDES.flatMap((side) => sideOf(batch, side));
    for (let start = 0; start < length; ) {
      const id = exporters[start]!;
      const end = endOfRun(exporters, start, length);
      if (id !== MISSING && memo[id] === UNKNOWN) memo[id] = this.#find(tables, id);
      const fact = id === MISSING ? NOTHING : memo[id]!;
      if (fact !== NOTHING) {
        const entry = this.#entries[fact - 2]!;
        names?.fill(entry.name, start, end);
        sites?.fill(entry.site, start, end);
        roles?.fill(entry.role, start, end);
        for (const side of sides) nameInterfaces(entry, side, start, end);
      }
      start = end;
    }
  }

  #find(tables: InternTables, id: number): number {
    tables.addresses.copyTo(id, this.#bytes, 0);
    const address = formatAddress(this.#bytes);
    const facts = this.#book.of(address);
    const learnt = this.#learnt?.of(address);
    if (facts === undefined && learnt === undefined) return NOTHING;
    const idOf = (text = ''): number => (text === '' ? MISSING : tables.strings.intern(text));
    const given = new Map(
      Object.entries(facts?.interfaces ?? {}).map(([index, known]) => [Number(index), known]),
    );
    const indexes = [...new Set([...given.keys(), ...(learnt?.keys() ?? [])])];
    const textOf = (index: number, key: 'name' | 'description'): string =>
      given.get(index)?.[key] || learnt?.get(index)?.[key] || '';
    this.#entries.push({
      ...{ name: idOf(facts?.name), site: idOf(facts?.site), role: idOf(facts?.role) },
      places: new Map(indexes.map((index, place) => [index, place])),
      names: indexes.map((index) => idOf(textOf(index, 'name'))),
      descriptions: indexes.map((index) => idOf(textOf(index, 'description'))),
      speeds: indexes.map((index) => given.get(index)?.speedMbps ?? 0),
    });
    return this.#entries.length + 1;
  }
}

function endOfRun(ids: Uint32Array, start: number, length: number): number {
  const id = ids[start]!;
  let end = start + 1;
  while (end < length && ids[end] === id) end++;
  return end;
}

function idsOf(batch: FlowBatch, name: string): Uint32Array | undefined {
  return batch.has(name) ? batch.ids(name) : undefined;
}

function sideOf(batch: FlowBatch, side: string): readonly Side[] {
  const index = batch.has(`${side}If`) ? batch.column(`${side}If`) : undefined;
  if (index?.kind !== 'u32') return [];
  const name = `${side}IfSpeedMbps`;
  const speeds = batch.has(name) ? batch.column(name) : undefined;
  return [
    {
      index,
      names: idsOf(batch, `${side}IfName`),
      descriptions: idsOf(batch, `${side}IfDescription`),
      speeds: speeds?.kind === 'f64' ? speeds : undefined,
    },
  ];
}

function nameInterfaces(entry: Entry, side: Side, start: number, end: number): void {
  const { places } = entry;
  const { names, descriptions, speeds } = side;
  const { values, present } = side.index;
  if (places.size === 0) return;
  let last = -1;
  let place: number | undefined;
  for (let row = start; row < end; row++) {
    if (!hasBit(present, row)) continue;
    const index = values[row]!;
    if (index !== last) place = places.get(index);
    last = index;
    if (place === undefined) continue;
    if (names !== undefined) names[row] = entry.names[place]!;
    if (descriptions !== undefined) descriptions[row] = entry.descriptions[place]!;
    const speed = entry.speeds[place]!;
    if (speeds === undefined || speed === 0) continue;
    speeds.values[row] = speed;
    setBit(speeds.present, row);
  }
}
