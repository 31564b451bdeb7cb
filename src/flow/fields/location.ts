import type { Feature, FieldSpec } from '../field.ts';

/** The end that the facts describe. */
interface LocatedSide {
  readonly prefix: string;
  /** The word in "country of the source". */
  readonly word: string;
  /** Heading of the columns. */
  readonly group: string;
  readonly otel: string;
}

interface Fact {
  /** Name without the prefix, as `add_location` and `add_asn` make it. */
  readonly name: string;
  readonly kind?: FieldSpec['kind'];
  readonly what: string;
  readonly feature: Feature;
  readonly cardinality: FieldSpec['cardinality'];
  readonly otel: string;
  readonly title: string;
  readonly width: number;
}

const FACTS: readonly Fact[] = [
  {
    name: 'Location_CountryLongName',
    what: 'Country that the address of the SIDE is registered in, in English',
    feature: 'location',
    cardinality: 'fine',
    otel: 'geo.country.name',
    title: 'Country',
    width: 10,
  },
  {
    name: 'Location_RegionName',
    what: 'State or region of the SIDE',
    feature: 'city',
    cardinality: 'careful',
    otel: 'geo.region.name',
    title: 'Region',
    width: 10,
  },
  {
    name: 'Location_CityName',
    what: 'City of the SIDE',
    feature: 'city',
    cardinality: 'careful',
    otel: 'geo.locality.name',
    title: 'City',
    width: 10,
  },
  {
    name: 'AS_Number',
    kind: 'u32',
    what: 'Number of the autonomous system that the address of the SIDE belongs to',
    feature: 'asn',
    cardinality: 'careful',
    otel: 'as.number',
    title: 'AS Number',
    width: 5,
  },
  {
    name: 'AS_Organization',
    what: 'Organization of the autonomous system of the SIDE',
    feature: 'asn',
    cardinality: 'careful',
    otel: 'as.organization',
    title: 'Organization',
    width: 15,
  },
];

/** Place and autonomous system of one end, by the databases of addresses. */
export function locationFields({ prefix, word, group, otel }: LocatedSide): readonly FieldSpec[] {
  return FACTS.map(({ name, kind = 'str', what, title, width, ...fact }): FieldSpec => {
    const meaning = `${what.replace('SIDE', word)}.`;
    return {
      ...{ name: `${prefix}${name}`, pair: name, meaning },
      kind,
      producer: 'pipeline',
      ...{ feature: fact.feature, cardinality: fact.cardinality, otel: `${otel}.${fact.otel}` },
      column: {
        ...{ id: `${prefix}${name}`, name: title, group, width },
        ...{ renderer: 'text', tooltip: meaning },
      },
    };
  });
}
