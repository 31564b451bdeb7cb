import { isMappedV4, parseAddress } from '../../../base/ip.ts';

/** Octets before the tables. */
const HEADER_BYTES = 30;
/** Types of database, from DB1; each has columns of its own. */
const TYPES_MAX = 26;
const COLUMNS_MAX = 64;
/** Databases of IP2Location have this code since 2021; those of IP2Proxy, another one. */
const PRODUCT = 1;
const PRODUCT_SINCE_YEAR = 21;
const COLUMN_BYTES = 4;
/** The long name of a country is behind its code, which has two letters and a length. */
const LONG_NAME_OFFSET = 3;
/** A value that is unknown. */
const UNKNOWN = '-';
/** Decimals of degrees: floats of 32 bits have no more. */
const DECIMALS = 6;

/** Columns, of which the address is the first. */
const COUNTRY = 1;
const REGION = 2;
const CITY = 3;
const LATITUDE = 4;
const LONGITUDE = 5;

/** Octets before those of an IPv4 address. */
const V4_OFFSET = 12;

interface Table {
  readonly start: number;
  readonly rows: number;
  readonly addressBytes: number;
  readonly rowBytes: number;
}

/** The place of an address; the keys are those of MMDB files of one level. */
interface Place {
  readonly country_code: string;
  readonly country_name: string | undefined;
  readonly region: string | undefined;
  readonly city: string | undefined;
  readonly latitude: number | undefined;
  readonly longitude: number | undefined;
}

/**
 * Reads a database of IP2Location (BIN): two tables, of IPv4 and of IPv6, whose rows are sorted by
 * the first address of a range and point to texts. Numbers are little-endian; places count from 1.
 */
export class Ip2Location {
  readonly #bytes: Buffer;
  readonly #v4: Table;
  readonly #v6: Table;
  readonly #hasCity: boolean;
  readonly #hasDegrees: boolean;

  /** Throws if the header is that of another file, or of a longer one. */
  constructor(bytes: Buffer) {
    if (bytes.length < HEADER_BYTES) throw new Error('the file is too short');
    const [type, columns, year, month, day] = bytes as unknown as [number, number, ...number[]];
    const isDated = month! >= 1 && month! <= 12 && day! >= 1 && day! <= 31;
    const isOther = year! >= PRODUCT_SINCE_YEAR && bytes[29] !== PRODUCT;
    if (type < 1 || type > TYPES_MAX || columns > COLUMNS_MAX || !isDated || isOther) {
      throw new Error('the header is that of another file');
    }
    this.#bytes = bytes;
    this.#hasCity = type > 2;
    this.#hasDegrees = type > 4 && type !== 7;
    const columnsMin = this.#hasDegrees ? LONGITUDE : this.#hasCity ? CITY : COUNTRY;
    if (columns <= columnsMin) throw new Error(`a database of type ${type} has more columns`);
    this.#v4 = tableAt(bytes, 5, 4, columns);
    this.#v6 = tableAt(bytes, 13, 16, columns);
    if (this.#v4.rows + this.#v6.rows === 0) throw new Error('the tables are empty');
  }

  get(address: string): Place | undefined {
    const parsed = parseAddress(address);
    if (parsed === undefined) return undefined;
    const at = isMappedV4(parsed)
      ? this.#find(this.#v4, parsed.subarray(V4_OFFSET))
      : this.#find(this.#v6, parsed);
    if (at === undefined) return undefined;
    const country = this.#bytes.readUInt32LE(at + COUNTRY * COLUMN_BYTES);
    const code = this.#text(country);
    if (code === undefined) return undefined;
    return {
      country_code: code,
      country_name: this.#text(country + LONG_NAME_OFFSET),
      region: this.#hasCity ? this.#textIn(at, REGION) : undefined,
      city: this.#hasCity ? this.#textIn(at, CITY) : undefined,
      latitude: this.#hasDegrees ? this.#degrees(at, LATITUDE) : undefined,
      longitude: this.#hasDegrees ? this.#degrees(at, LONGITUDE) : undefined,
    };
  }

  /** Place of the row whose range has an address, as if the row's address had 4 octets. */
  #find({ start, rows, addressBytes, rowBytes }: Table, address: Uint8Array): number | undefined {
    let low = 0;
    let high = rows;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isAfter(start + middle * rowBytes, address)) high = middle;
      else low = middle + 1;
    }
    if (low === 0) return undefined;
    return start + (low - 1) * rowBytes + addressBytes - COLUMN_BYTES;
  }

  /** Whether the address at a place is a later one; its last octet comes first. */
  #isAfter(place: number, address: Uint8Array): boolean {
    const last = address.length - 1;
    for (let i = 0; i <= last; i++) {
      const difference = this.#bytes[place + last - i]! - address[i]!;
      if (difference !== 0) return difference > 0;
    }
    return false;
  }

  #textIn(at: number, column: number): string | undefined {
    return this.#text(this.#bytes.readUInt32LE(at + column * COLUMN_BYTES));
  }

  /** A text behind its length; undefined: it is unknown, or not in the file. */
  #text(place: number): string | undefined {
    const length = this.#bytes[place];
    if (length === undefined || place + length >= this.#bytes.length) return undefined;
    const text = this.#bytes.toString('utf8', place + 1, place + 1 + length);
    return text === UNKNOWN || text === '' ? undefined : text;
  }

  #degrees(at: number, column: number): number {
    return Number(this.#bytes.readFloatLE(at + column * COLUMN_BYTES).toFixed(DECIMALS));
  }
}

/** A table by its number of rows and its place, which are at a place of the header. */
function tableAt(bytes: Buffer, at: number, addressBytes: number, columns: number): Table {
  const rows = bytes.readUInt32LE(at);
  const start = bytes.readUInt32LE(at + 4) - 1;
  const rowBytes = addressBytes + (columns - 1) * COLUMN_BYTES;
  const table = { start, rows, addressBytes, rowBytes };
  if (rows === 0) return table;
  if (start < HEADER_BYTES || start + rows * rowBytes > bytes.length) {
    throw new Error('the file is shorter than its tables');
  }
  return table;
}
