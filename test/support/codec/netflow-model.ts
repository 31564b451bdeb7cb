import type { Field } from './netflow-bytes.ts';

/**
 * A plain reader of data records, by the registry of IANA and RFC 7011, one record and one field at
 * a time. It knows nothing of our tables, columns and plans.
 */

type Kind = 'number' | 'v4' | 'v6' | 'mac' | 'text';

interface Known {
  readonly kind: Kind;
  /** Lengths that exporters may choose (RFC 7011, section 6.2). */
  readonly lengths: readonly number[];
}

const number = (...lengths: number[]): Known => ({ kind: 'number', lengths });
const v4: Known = { kind: 'v4', lengths: [4] };
const v6: Known = { kind: 'v6', lengths: [16] };
const mac: Known = { kind: 'mac', lengths: [6] };
const counter = number(1, 2, 3, 4, 5, 7, 8);

/** Elements of IANA's registry, with an unknown one, and two of an enterprise. */
export const KNOWN: Readonly<Record<string, Known>> = {
  ...{ 1: counter, 2: counter, 23: counter, 24: counter, 4: number(1), 5: number(1) },
  ...{ 6: number(1, 2), 7: number(2), 11: number(2), 8: v4, 12: v4, 15: v4, 18: v4, 27: v6 },
  ...{ 28: v6, 62: v6, 63: v6, 10: number(1, 2, 4), 14: number(2, 4), 16: number(2, 4) },
  ...{ 17: number(2, 4), 9: number(1), 13: number(1), 29: number(1), 30: number(1), 56: mac },
  ...{ 80: mac, 58: number(2), 59: number(2), 61: number(1), 32: number(2), 60: number(1) },
  ...{ 192: number(1), 52: number(1), 152: number(8), 153: number(8), 150: number(4) },
  ...{
    225: v4,
    227: number(2),
    256: number(2),
    31: number(3, 4),
    89: number(1),
    999: number(1, 9),
  },
  ...{ 82: { kind: 'text', lengths: [8, 65_535] }, '9/1': number(4), '9/2': number(65_535) },
};

export type ModelRow = Record<string, string | number | boolean>;

/** Columns and the elements that fill them, the preferred one first. */
const COLUMNS: readonly (readonly [column: string, ids: readonly string[], max: number])[] = [
  ['Bytes', ['1', '23'], Number.MAX_VALUE],
  ['Packets', ['2', '24'], Number.MAX_VALUE],
  ['Proto', ['4'], 255],
  ['IpTos', ['5'], 255],
  ['TcpFlags', ['6'], 65_535],
  ['SrcPort', ['7'], 65_535],
  ['DstPort', ['11'], 65_535],
  ['SrcAddr', ['8', '27'], 0],
  ['DstAddr', ['12', '28'], 0],
  ['NextHop', ['15', '62'], 0],
  ['BgpNextHop', ['18', '63'], 0],
  ['InIf', ['10'], 0xffffffff],
  ['OutIf', ['14'], 0xffffffff],
  ['SrcAs', ['16'], 0xffffffff],
  ['DstAs', ['17'], 0xffffffff],
  ['SrcNet', ['9', '29'], 255],
  ['DstNet', ['13', '30'], 255],
  ['SrcMac', ['56'], 0],
  ['DstMac', ['80'], 0],
  ['SrcVlan', ['58'], 65_535],
  ['VlanId', ['58'], 65_535],
  ['DstVlan', ['59'], 65_535],
  ['FlowDirection', ['61'], 255],
  ['IpTtl', ['192', '52'], 255],
  ['XlatSrcAddr', ['225'], 0],
  ['XlatSrcPort', ['227'], 65_535],
  ['Ipv6FlowLabel', ['31'], 0xffffffff],
  ['ForwardingStatus', ['89'], 255],
  ['Interface', ['82'], 0],
  ['CustomInteger_1', ['9/1'], Number.MAX_VALUE],
];

/** The flow of a record; `values` are the octets of each field, `fields` is its template. */
export function modelRow(fields: readonly Field[], values: readonly Buffer[]): ModelRow {
  const row: ModelRow = {};
  const found = (id: string): readonly Buffer[] =>
    values.filter((_, index) => keyOf(fields[index]!) === id);
  for (const [column, ids, max] of COLUMNS) {
    for (const id of ids) {
      for (const octets of found(id)) assign(row, column, read(KNOWN[id]!.kind, octets), max);
    }
  }
  const code = found('32');
  for (const octets of code) {
    assign(row, 'IcmpType', octets[0]!, 255);
    assign(row, 'IcmpCode', octets[1]!, 255);
  }
  for (const [end, ms, seconds] of [
    ['Start', '152', '150'],
    ['End', '153', '151'],
  ] as const) {
    for (const octets of found(ms)) time(row, end, bigEndian(octets));
    for (const octets of found(seconds)) time(row, end, bigEndian(octets) * 1000);
  }
  etherType(row, found);
  return row;
}

export function keyOf([id, , enterprise]: Field): string {
  return enterprise === undefined ? String(id) : `${enterprise}/${id}`;
}

function etherType(row: ModelRow, found: (id: string) => readonly Buffer[]): void {
  for (const octets of found('256')) assign(row, 'Etype', bigEndian(octets), 65_535);
  for (const octets of found('60')) {
    const type = octets[0] === 4 ? 0x0800 : octets[0] === 6 ? 0x86dd : undefined;
    if (type !== undefined) assign(row, 'Etype', type, 65_535);
  }
  for (const [id, type] of [
    ['8', 0x0800],
    ['27', 0x86dd],
    ['12', 0x0800],
    ['28', 0x86dd],
  ] as const) {
    for (const octets of found(id)) {
      if (octets.some((octet) => octet !== 0)) assign(row, 'Etype', type, 65_535);
    }
  }
}

function time(row: ModelRow, end: string, ms: number): void {
  assign(row, `TimeFlow${end}Ms`, ms, Number.MAX_VALUE);
  assign(row, `TimeFlow${end}`, Math.floor(ms / 1000), Number.MAX_VALUE);
}

/** A number gives way to another one only if it is zero; an address gives way to any but zero. */
function assign(row: ModelRow, column: string, value: string | number, max: number): void {
  if (typeof value === 'number') {
    if (value > max) return;
    if (row[column] === undefined || row[column] === 0) row[column] = value;
    return;
  }
  const isNothing = ['', '0.0.0.0', '::', '00:00:00:00:00:00'].includes(value);
  if (column === 'Interface') {
    if (row[column] === undefined && value !== '') row[column] = value;
  } else if (row[column] === undefined || !isNothing) row[column] = value;
}

function read(kind: Kind, octets: Buffer): string | number {
  switch (kind) {
    case 'number':
      return bigEndian(octets);
    case 'v4':
      return octets.join('.');
    case 'v6':
      return v6Text(octets);
    case 'mac':
      return octets.toString('hex').replaceAll(/(..)(?!$)/g, '$1:');
    case 'text':
      return octets.toString('utf8').replace(/\0.*$/s, '');
  }
}

function bigEndian(octets: Buffer): number {
  return Number(BigInt(`0x0${octets.toString('hex')}`));
}

/** RFC 5952, by the URL parser of the platform; IPv4-mapped addresses have the text of IPv4. */
function v6Text(octets: Buffer): string {
  const hex = octets.toString('hex');
  if (hex.startsWith('00000000000000000000ffff')) return octets.subarray(12).join('.');
  const groups = hex.match(/.{4}/g)!.join(':');
  return new URL(`http://[${groups}]/`).hostname.slice(1, -1);
}
