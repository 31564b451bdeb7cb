import type { FlowBatch } from '../../../flow/batch.ts';
import { setBit } from '../../../flow/bits.ts';
import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import { MISSING } from '../../../flow/intern.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';
import type { GeoDatabase } from './geo-database.ts';

interface Rule {
  readonly input: string;
  readonly output: string;
}

/** A column that the facts about an address fill: text, or a number. */
interface GeoColumn {
  readonly name: string;
  readonly kind: 'str' | 'u32';
  /** The value in a record; undefined: it has none. */
  readonly value: (record: unknown) => string | number | undefined;
}

/** Names and coordinates of the place of an address. */
export function addLocation(
  database: GeoDatabase,
  { input, output }: Rule,
  context: StageContext,
): Transform {
  requireKind(context, 'add_location.input', input, ['addr']);
  const names = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });
  return geoTransform('add_location', database, input, [
    column(`${output}_CountryName`, countryCode),
    column(`${output}_CountryLongName`, (record) => countryName(record, names)),
    column(`${output}_RegionName`, (record) =>
      firstText(
        [at(record, 'subdivisions', 0, 'names', 'en'), at(record, 'state1')],
        [at(record, 'region'), at(record, 'stateprov')],
      ),
    ),
    column(`${output}_CityName`, (record) =>
      firstText([at(record, 'city', 'names', 'en'), at(record, 'city')]),
    ),
    column(`${output}_Latitude`, (record) => degrees(record, 'latitude')),
    column(`${output}_Longitude`, (record) => degrees(record, 'longitude')),
  ]);
}

/** Number and name of the autonomous system of an address. */
export function addAsn(
  database: GeoDatabase,
  { input, output }: Rule,
  context: StageContext,
): Transform {
  requireKind(context, 'add_asn.input', input, ['addr']);
  return geoTransform('add_asn', database, input, [
    { name: `${output}_Number`, kind: 'u32', value: asNumber },
    column(`${output}_Organization`, (record) =>
      firstText(
        [at(record, 'autonomous_system_organization'), at(record, 'as_name')],
        [at(record, 'organization'), at(record, 'name')],
      ),
    ),
  ]);
}

function column(name: string, value: (record: unknown) => string | undefined): GeoColumn {
  return { name, kind: 'str', value };
}

function geoTransform(
  rule: string,
  database: GeoDatabase,
  input: string,
  columns: readonly GeoColumn[],
): Transform {
  const facts = new GeoFacts(database, columns);
  return {
    kind: 'transform',
    name: `${rule} ${input}`,
    // Rows whose address is in no network keep their values.
    reads: [input, ...columns.map(({ name }) => name)],
    writes: columns.map(({ name, kind }) => ({ name, kind })),
    start: () => database.load(),
    apply(batch) {
      if (batch.has(input)) facts.apply(batch, batch.ids(input));
    },
  };
}

/** In the memo: the address is in no network of the database. */
const NOWHERE = 1;

/** Values of the columns by address, looked up once for each id and version of the database. */
class GeoFacts {
  readonly #database: GeoDatabase;
  readonly #columns: readonly GeoColumn[];
  readonly #memo = new IdMemo();
  #clearings = 0;
  /** For each fact the values of all columns: ids of texts, numbers plus one, 0 for none. */
  #values: number[] = [];

  constructor(database: GeoDatabase, columns: readonly GeoColumn[]) {
    this.#database = database;
    this.#columns = columns;
  }

  apply(batch: FlowBatch, addresses: Uint32Array): void {
    this.#database.look();
    const { tables, length } = batch;
    const memo = this.#memo.for(tables, tables.addresses.size, this.#database.version);
    if (this.#memo.clearings !== this.#clearings) {
      this.#clearings = this.#memo.clearings;
      this.#values = [];
    }
    for (let row = 0; row < length; row++) {
      const id = addresses[row]!;
      if (id !== MISSING && memo[id] === UNKNOWN) memo[id] = this.#find(batch, id);
    }
    const width = this.#columns.length;
    for (let index = 0; index < width; index++) {
      const { name, kind } = this.#columns[index]!;
      if (!batch.has(name)) continue;
      if (kind === 'str') this.#fillTexts(addresses, memo, index, batch.ids(name), length);
      else this.#fillNumbers(addresses, memo, index, batch, name);
    }
  }

  #fillTexts(
    addresses: Uint32Array,
    memo: Uint32Array,
    index: number,
    into: Uint32Array,
    length: number,
  ): void {
    const values = this.#values;
    for (let row = 0; row < length; row++) {
      const id = addresses[row]!;
      const fact = id === MISSING ? NOWHERE : memo[id]!;
      if (fact === NOWHERE) continue;
      const value = values[fact - 2 + index]!;
      if (value !== 0) into[row] = value;
    }
  }

  #fillNumbers(
    addresses: Uint32Array,
    memo: Uint32Array,
    index: number,
    batch: FlowBatch,
    name: string,
  ): void {
    const values = this.#values;
    const into = batch.u32(name);
    const present = batch.present(name);
    for (let row = 0; row < batch.length; row++) {
      const id = addresses[row]!;
      const fact = id === MISSING ? NOWHERE : memo[id]!;
      const value = fact === NOWHERE ? 0 : values[fact - 2 + index]!;
      if (value === 0) continue;
      into[row] = value - 1;
      setBit(present, row);
    }
  }

  /** Looks an address up; returns `NOWHERE`, or the place of its values plus 2. */
  #find({ tables }: FlowBatch, id: number): number {
    const record = this.#database.find(tables.addresses.text(id));
    if (record === undefined) return NOWHERE;
    const place = this.#values.length;
    for (const { value } of this.#columns) {
      const found = value(record);
      if (typeof found === 'number') this.#values.push(found + 1);
      else this.#values.push(found === undefined ? 0 : tables.strings.intern(found));
    }
    return place + 2;
  }
}

/** A part of a record; undefined where there is none. */
function at(record: unknown, ...path: readonly (string | number)[]): unknown {
  let part = record;
  for (const key of path) {
    if (typeof part !== 'object' || part === null || !Object.hasOwn(part, key)) return undefined;
    part = (part as Record<string | number, unknown>)[key];
  }
  return part;
}

/** The first text that is not empty: databases differ in where they have it. */
function firstText(...places: readonly (readonly unknown[])[]): string | undefined {
  return places.flat().find((value): value is string => typeof value === 'string' && value !== '');
}

function countryCode(record: unknown): string | undefined {
  return firstText([at(record, 'country', 'iso_code'), at(record, 'country_code')]);
}

/** In English; databases that have only codes do without names. */
function countryName(record: unknown, names: Intl.DisplayNames): string | undefined {
  const name = firstText([at(record, 'country', 'names', 'en'), at(record, 'country_name')]);
  const code = countryCode(record);
  if (name !== undefined || code === undefined || !/^[A-Z]{2}$/.test(code)) return name;
  return names.of(code);
}

function degrees(record: unknown, name: string): string | undefined {
  const value = at(record, 'location', name) ?? at(record, name);
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? String(number) : undefined;
}

function asNumber(record: unknown): number | undefined {
  const value = at(record, 'autonomous_system_number') ?? at(record, 'as_number');
  const number = value ?? at(record, 'asn');
  const digits = typeof number === 'string' ? number.replace(/^AS/i, '') : number;
  const whole = typeof digits === 'string' && digits !== '' ? Number(digits) : digits;
  const isNumber = typeof whole === 'number' && Number.isInteger(whole);
  return isNumber && whole >= 0 && whole < 2 ** 32 ? whole : undefined;
}
