import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { countries } from '../../../src/commands/assets.ts';
import type { Feature } from '../../../src/flow/field.ts';
import { FIELDS } from '../../../src/flow/fields.ts';
import { defaultPipeline } from '../../../src/pipeline/defaults.ts';
import { Ip2Location } from '../../../src/pipeline/transform/network/ip2location.ts';
import { ip2location } from '../../support/flows/ip2location.ts';
import { mmdb } from '../../support/flows/mmdb.ts';
import { MemoryStore } from '../../support/models/interpreter/memory-store.ts';
import { appendRows, type Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netobserv-geo-'));
  writeFileSync(at('city.mmdb'), mmdb(CITIES));
  writeFileSync(at('flat.mmdb'), mmdb(FLAT));
  writeFileSync(at('asn.mmdb'), mmdb(SYSTEMS));
  writeFileSync(at('none.mmdb'), 'no database');
});
afterAll(() => rmSync(folder, { recursive: true }));

const at = (file: string): string => join(folder, file);

/** As in GeoLite2-City. */
const CITIES = {
  '192.0.2.0/24': {
    country: { iso_code: 'FR', names: { en: 'France', fr: 'La France' } },
    subdivisions: [{ iso_code: 'IDF', names: { en: 'Île-de-France' } }],
    city: { names: { en: 'Paris' } },
    location: { latitude: 48.8323, longitude: -2.4075 },
  },
  '198.51.100.0/25': { country: { iso_code: 'DE' } },
};

/** As in databases of one level. */
const FLAT = {
  '192.0.2.0/24': { country_code: 'JP', state1: 'Tokyo', city: 'Chiyoda', latitude: '35.5' },
};

const address = (SrcAddr: string) => ({ SrcAddr });
const FRANCE = { code: 'FR', country: 'France', region: 'Île-de-France', city: 'Paris' };
const DEGREES = { latitude: 48.8534, longitude: -2.3486 };
const NOBODY = { code: '-', country: '-' };
const JAPAN = { code: 'JP', country: 'Japan' };
/** Ranges of addresses, as in files of IP2Location. */
const PLACES = [
  { from: '0.0.0.0', ...NOBODY },
  { from: '192.0.2.0', ...FRANCE, ...DEGREES },
  { from: '192.0.3.0', ...JAPAN },
  { from: '::', ...NOBODY },
  { from: '2001:db8::', ...FRANCE, ...DEGREES },
  { from: '2001:db8:1::', ...JAPAN },
];

const SYSTEMS = {
  '192.0.2.0/24': {
    autonomous_system_number: 64_500,
    autonomous_system_organization: 'Example Net',
  },
  '198.51.100.0/25': { autonomous_system_number: 4_294_967_295 },
};

/** Flows that went through rules of `transform: network`. */
async function enrich(rules: readonly object[], flows: readonly Row[]) {
  const bed = testPipeline(
    {
      pipeline: [
        { name: 'net', follows: 'preset-ingester' },
        { name: 'out', follows: 'net' },
      ],
      parameters: [
        { name: 'net', transform: { type: 'network', network: { rules } } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { countries },
  );
  await bed.pipeline.start(new AbortController().signal);
  onTestFinished(() => bed.pipeline.stop());
  const send = async (rows: readonly Row[]): Promise<readonly Row[]> => {
    const before = bed.stores.a.rows.length;
    const batch = bed.pipeline.take();
    appendRows(batch, rows);
    bed.pipeline.emit(batch);
    await expect.poll(() => bed.stores.a.rows.length).toBe(before + rows.length);
    return bed.stores.a.rows.slice(before);
  };
  return { rows: await send(flows), send, clock: bed.clock };
}

const location = (file_path: string) => ({
  type: 'add_location',
  add_location: { input: 'SrcAddr', output: 'Src', file_path },
});
const asn = (file_path: string) => ({
  type: 'add_asn',
  add_asn: { input: 'SrcAddr', output: 'SrcAS', file_path },
});

const flows = ['192.0.2.7', '198.51.100.1', '198.51.100.200', '2001:db8::1'].map((SrcAddr) => ({
  SrcAddr,
}));

describe('add_location', () => {
  test('all that a city database knows', async () => {
    const { rows } = await enrich([location(at('city.mmdb'))], [...flows, { Bytes: 1 }]);
    expect(rows).toEqual([
      {
        SrcAddr: '192.0.2.7',
        Src_CountryName: 'FR',
        Src_CountryLongName: 'France',
        Src_RegionName: 'Île-de-France',
        Src_CityName: 'Paris',
        Src_Latitude: '48.8323',
        Src_Longitude: '-2.4075',
      },
      // The name of a code that has none in the database.
      { SrcAddr: '198.51.100.1', Src_CountryName: 'DE', Src_CountryLongName: 'Germany' },
      { SrcAddr: '198.51.100.200' },
      { SrcAddr: '2001:db8::1' },
      { Bytes: 1 },
    ]);
  });

  test.each([5, 9] as const)('databases of IP2Location, DB%s', async (type) => {
    writeFileSync(at('city.bin'), ip2location(type, PLACES));
    const { rows } = await enrich(
      [location(at('city.bin'))],
      [
        ...[...flows, ...['192.0.1.255', '192.0.3.0', '2001:db8:1::', '2001:db7::'].map(address)],
        ...['0.0.0.0', '255.255.255.255', '::1', '10.0.0.1'].map(address),
      ],
    );
    const france = {
      ...{ Src_CountryName: 'FR', Src_CountryLongName: 'France' },
      ...{ Src_RegionName: 'Île-de-France', Src_CityName: 'Paris' },
      ...{ Src_Latitude: '48.853401', Src_Longitude: '-2.3486' },
    };
    const japan = { Src_CountryName: 'JP', Src_CountryLongName: 'Japan' };
    const inJapan = { ...japan, Src_Latitude: '0', Src_Longitude: '0' };
    expect(rows).toEqual([
      { SrcAddr: '192.0.2.7', ...france },
      { SrcAddr: '198.51.100.1', ...inJapan },
      { SrcAddr: '198.51.100.200', ...inJapan },
      { SrcAddr: '2001:db8::1', ...france },
      { SrcAddr: '192.0.1.255' },
      { SrcAddr: '192.0.3.0', ...inJapan },
      { SrcAddr: '2001:db8:1::', ...inJapan },
      { SrcAddr: '2001:db7::' },
      { SrcAddr: '0.0.0.0' },
      { SrcAddr: '255.255.255.255', ...inJapan },
      { SrcAddr: '::1' },
      { SrcAddr: '10.0.0.1' },
    ]);
  });

  test('databases of IP2Location, DB1 and DB3, have less', async () => {
    writeFileSync(at('db1.bin'), ip2location(1, PLACES));
    writeFileSync(at('db3.bin'), ip2location(3, PLACES));
    const country = { Src_CountryName: 'FR', Src_CountryLongName: 'France' };
    const one = await enrich([location(at('db1.bin'))], flows.slice(0, 1));
    expect(one.rows).toEqual([{ ...flows[0], ...country }]);
    const three = await enrich([location(at('db3.bin'))], flows.slice(0, 1));
    const city = { Src_RegionName: 'Île-de-France', Src_CityName: 'Paris' };
    expect(three.rows).toEqual([{ ...flows[0], ...country, ...city }]);
  });

  test('a database of IP2Location that is cut or damaged is refused, or has less in it', async () => {
    const whole = ip2location(5, PLACES);
    const names: string[] = [];
    for (let length = 0; length < whole.length; length++) {
      try {
        const found = new Ip2Location(whole.subarray(0, length)).get('192.0.2.7');
        names.push(found?.city ?? 'nothing');
      } catch {
        names.push('refused');
      }
    }
    expect(new Set(names)).toEqual(new Set(['refused', 'nothing', 'Paris']));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.ipV4(), (place, octet, address) => {
        const bytes = Buffer.from(whole);
        bytes[place] = octet;
        let reader: Ip2Location | undefined;
        try {
          reader = new Ip2Location(bytes);
        } catch (error) {
          expect(String(error)).toMatch(/header|shorter|columns|empty/);
        }
        reader?.get(address);
      }),
      { numRuns: 2000 },
    );
  });

  test('databases of one level', async () => {
    const { rows } = await enrich([location(at('flat.mmdb'))], flows.slice(0, 1));
    expect(rows).toEqual([
      {
        SrcAddr: '192.0.2.7',
        Src_CountryName: 'JP',
        Src_CountryLongName: 'Japan',
        Src_RegionName: 'Tokyo',
        Src_CityName: 'Chiyoda',
        Src_Latitude: '35.5',
      },
    ]);
  });

  test('countries without a file, for both families; none for private addresses', async () => {
    const addresses = ['193.0.6.139', '2001:4860:4860::8888', '10.0.0.1', 'fd00::1'];
    const { rows } = await enrich(
      [location('')],
      addresses.map((SrcAddr) => ({ SrcAddr })),
    );
    expect(rows.map((row) => row.Src_CountryLongName)).toEqual([
      'Netherlands',
      'United States',
      undefined,
      undefined,
    ]);
  });
});

test('add_asn', async () => {
  const { rows } = await enrich([asn(at('asn.mmdb'))], flows);
  expect(rows).toEqual([
    { SrcAddr: '192.0.2.7', SrcAS_Number: 64_500, SrcAS_Organization: 'Example Net' },
    { SrcAddr: '198.51.100.1', SrcAS_Number: 4_294_967_295 },
    { SrcAddr: '198.51.100.200' },
    { SrcAddr: '2001:db8::1' },
  ]);
});

test('a database that changes is read again; one that is damaged is not used', async () => {
  writeFileSync(at('live.mmdb'), mmdb({ '192.0.2.0/24': { country: { iso_code: 'FR' } } }));
  const { rows, send, clock } = await enrich([location(at('live.mmdb'))], flows.slice(0, 1));
  expect(rows[0]!.Src_CountryName).toBe('FR');
  const next = async (): Promise<unknown> => {
    clock.jump(31_000);
    const [row] = await send(flows.slice(0, 1));
    return row!.Src_CountryName;
  };
  writeFileSync(at('live.mmdb'), 'damaged');
  expect(await next()).toBe('FR');
  writeFileSync(at('live.mmdb'), mmdb({ '192.0.2.0/24': { country: { iso_code: 'IT' } } }));
  await expect.poll(next).toBe('IT');
});

test.each([
  ['a missing file', location('/nowhere/city.mmdb'), /file_path: cannot read \/nowhere\/city.mmdb/],
  [
    'a port',
    { ...location(''), add_location: { input: 'SrcPort', output: 'S' } },
    /addr is needed/,
  ],
  ['no file', asn(''), /file_path/],
])('%s is a mistake', async (_why, rule, message) => {
  await expect(enrich([rule], [])).rejects.toThrow(message);
});

test.each([
  ['places of IP2Location', ip2location(5, PLACES), /add_asn\.file_path: is a database of IP2Loc/],
  ['a database of IP2Proxy', ip2location(5, PLACES, { product: 2 }), /is not a database/],
  ['a zip archive', Buffer.from('PK\x03\x04\x14\x00'), /asn-other is a zip archive: unpack/],
])('add_asn: %s is a mistake', async (_why, bytes, message) => {
  writeFileSync(at('asn-other'), bytes);
  await expect(enrich([asn(at('asn-other'))], [])).rejects.toThrow(message);
});

test('a file that is not a database ends the start', async () => {
  await expect(enrich([location(at('none.mmdb'))], [])).rejects.toThrow(
    /none\.mmdb is not a database in MaxMind’s format/,
  );
});

describe('the pipeline of one host', () => {
  const ends = { SrcAddr: '192.0.2.7', DstAddr: '193.0.6.139' };

  /** The flow as a store that keeps only fields of these features gets it. */
  async function stored(features: readonly Feature[], geo: { cities?: string; systems?: string }) {
    const on = { features: new Set(features), geo };
    const kept = FIELDS.filter(({ feature }) => feature === undefined || on.features.has(feature));
    const a = Object.assign(new MemoryStore(), { columns: kept.map(({ name }) => name) });
    const config = defaultPipeline({ store: 'a', prefix: 'n_', ...on });
    const { pipeline } = testPipeline(config, { countries, stores: { a } });
    await pipeline.start(new AbortController().signal);
    onTestFinished(() => pipeline.stop());
    const batch = pipeline.take();
    appendRows(batch, [ends]);
    pipeline.emit(batch);
    await expect.poll(() => a.rows.length).toBe(1);
    const columns = pipeline.layout.columns.map(({ name }) => name);
    return {
      row: a.rows[0],
      located: columns.filter((name) => /^(Src|Dst)(Location|AS)_/.test(name)),
    };
  }

  test('names countries without any file', async () => {
    const { row, located } = await stored(['location'], {});
    expect(row).toMatchObject({ ...ends, DstLocation_CountryLongName: 'Netherlands' });
    expect(row).not.toHaveProperty('SrcLocation_CountryLongName');
    // Nobody reads codes and coordinates, so there is no column for them.
    expect(located).toEqual(['SrcLocation_CountryLongName', 'DstLocation_CountryLongName']);
  });

  test('names cities and systems by files', async () => {
    const { row } = await stored(['location', 'city', 'asn'], {
      ...{ cities: at('city.mmdb'), systems: at('asn.mmdb') },
    });
    expect(row).toMatchObject({
      ...{ SrcLocation_CountryLongName: 'France', SrcLocation_RegionName: 'Île-de-France' },
      ...{ SrcLocation_CityName: 'Paris' },
      ...{ SrcAS_Number: 64_500, SrcAS_Organization: 'Example Net' },
    });
  });

  test('looks nothing up if the features are off', async () => {
    const { row, located } = await stored([], { cities: '/nowhere', systems: '/nowhere' });
    expect(row).toMatchObject(ends);
    expect(located).toEqual([]);
  });
});
