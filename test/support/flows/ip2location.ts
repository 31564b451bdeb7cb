import { parseAddress } from '../../../src/base/ip.ts';

/** Writes databases of IP2Location (BIN), with all that a type up to DB5 has. */

interface PlaceRow {
  /** First address of the range, which ends before that of the next row. */
  readonly from: string;
  readonly code: string;
  readonly country: string;
  readonly region?: string;
  readonly city?: string;
  readonly latitude?: number;
  readonly longitude?: number;
}

const HEADER_BYTES = 64;
/** Columns of the types that tests need; DB9 has a postal code, too. */
const COLUMNS = { 1: 2, 3: 4, 5: 6, 9: 7 } as const;

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
};

export function ip2location(
  type: keyof typeof COLUMNS,
  rows: readonly PlaceRow[],
  header: { readonly year?: number; readonly product?: number } = {},
): Buffer {
  const columns = COLUMNS[type];
  const families = [rows.filter(isV4), rows.filter((row) => !isV4(row))] as const;
  // Readers look at the row behind the last one, for the end of its range.
  const tables = families.map((own, v6) =>
    Buffer.alloc((own.length + 1) * ((v6 === 1 ? 16 : 4) + (columns - 1) * 4), 0xff),
  );
  const starts = [HEADER_BYTES, HEADER_BYTES + tables[0]!.length];
  const texts: Buffer[] = [];
  let place = starts[1]! + tables[1]!.length;
  const stored = (...values: readonly string[]): number => {
    const bytes = Buffer.concat(values.map(text));
    texts.push(bytes);
    place += bytes.length;
    return place - bytes.length;
  };
  for (const [v6, own] of families.entries()) {
    for (const [index, row] of own.entries()) {
      const table = tables[v6]!;
      let at = index * (table.length / (own.length + 1));
      const address = Buffer.from(parseAddress(row.from)!.subarray(v6 === 1 ? 0 : 12)).reverse();
      address.copy(table, at);
      at += address.length;
      const pointers = [
        stored(row.code, row.country),
        ...(columns > 2 ? [stored(row.region ?? '-'), stored(row.city ?? '-')] : []),
      ];
      for (const pointer of pointers) at = table.writeUInt32LE(pointer, at);
      if (columns < 6) continue;
      at = table.writeFloatLE(row.latitude ?? 0, at);
      at = table.writeFloatLE(row.longitude ?? 0, at);
      if (columns > 6) table.writeUInt32LE(stored('-'), at);
    }
  }
  const head = Buffer.alloc(HEADER_BYTES);
  head.set([type, columns, header.year ?? 26, 6, 30]);
  for (const [v6, own] of families.entries()) {
    head.writeUInt32LE(own.length, 5 + v6 * 8);
    head.writeUInt32LE(starts[v6]! + 1, 9 + v6 * 8);
  }
  head[29] = header.product ?? 1;
  head.writeUInt32LE(place, 31);
  return Buffer.concat([head, ...tables, ...texts]);
}

function isV4({ from }: PlaceRow): boolean {
  return !from.includes(':');
}
