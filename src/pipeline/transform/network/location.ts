import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';
import type { GeoFact, GeoFacts } from './geo-facts.ts';

interface Rule {
  readonly input: string;
  readonly output: string;
}

/** Names and coordinates of the place of an address. */
export function placeFacts(): readonly GeoFact[] {
  const names = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });
  return [
    text('_CountryName', countryCode),
    text('_CountryLongName', (record) => countryName(record, names)),
    text('_RegionName', (record) =>
      firstText(
        [at(record, 'subdivisions', 0, 'names', 'en'), at(record, 'state1')],
        [at(record, 'region'), at(record, 'stateprov')],
      ),
    ),
    text('_CityName', (record) =>
      firstText([at(record, 'city', 'names', 'en'), at(record, 'city')]),
    ),
    text('_Latitude', (record) => degrees(record, 'latitude')),
    text('_Longitude', (record) => degrees(record, 'longitude')),
  ];
}

/** Number and name of the autonomous system of an address. */
export const SYSTEM_FACTS: readonly GeoFact[] = [
  { suffix: '_Number', kind: 'u32', value: asNumber },
  text('_Organization', (record) =>
    firstText(
      [at(record, 'autonomous_system_organization'), at(record, 'as_name')],
      [at(record, 'organization'), at(record, 'name')],
    ),
  ),
];

/** Adds facts of a database about an address, for `add_location` and `add_asn`. */
export function addGeoFacts(
  facts: GeoFacts,
  rule: string,
  { input, output }: Rule,
  context: StageContext,
): readonly Transform[] {
  requireKind(context, `${rule}.input`, input, ['addr']);
  return facts.transforms(rule, input, output);
}

function text(suffix: string, value: (record: unknown) => string | undefined): GeoFact {
  return { suffix, kind: 'str', value };
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
