import { isMappedV4, parseAddress, parseCidr } from '../../../src/base/ip.ts';
import { kindOf } from '../../../src/flow/fields.ts';
import { serviceOfPort } from '../../../src/flow/ports.ts';
import type { Filter, Match, MatchValue, MetricQuery, PacketLoss } from '../../../src/query/ast.ts';
import type { Row } from './interpreter/rows.ts';

/** Slow and obvious: the meaning of a filter, over plain objects. */
export function holds(filter: Filter, row: Row): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.terms.every((term) => holds(term, row));
    case 'or':
      return filter.terms.some((term) => holds(term, row));
    case 'match':
      return matches(filter, row);
  }
}

function matches(match: Match, row: Row): boolean {
  const negative = match.operator.startsWith('!');
  const compare = match.operator.replace('!', '');
  const fields =
    kindOf(match.key) === undefined ? [`Src${match.key}`, `Dst${match.key}`] : [match.key];
  const any = fields.some((field) =>
    match.values.some((value) => passes(field, compare, value, row[field])),
  );
  return any !== negative;
}

function passes(field: string, compare: string, value: MatchValue, cell: unknown): boolean {
  if (Array.isArray(cell)) {
    const isNumber = kindOf(field) === 'list<u32>';
    return cell.some((item) => passes(field, compare, value, isNumber ? item : String(item)));
  }
  if (value.kind === 'empty') return cell === undefined || cell === '';
  if (cell === undefined) return false;
  if (typeof cell === 'number') return numberPasses(field, compare, value.text, cell);
  if (kindOf(field) === 'addr' && !value.text.includes('*'))
    return inside(value.text, String(cell));
  if (value.kind === 'exact' && kindOf(field) !== 'mac') return value.text === cell;
  const text = String(cell).toLowerCase();
  const wanted = value.text.toLowerCase();
  if (!wanted.includes('*')) return text.includes(wanted);
  const parts = wanted.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

function numberPasses(field: string, compare: string, text: string, cell: number): boolean {
  const [low = 0, high = low] = text.split('-').map(Number);
  switch (compare) {
    case '>=':
      return cell >= low;
    case '>':
      return cell > low;
    case '<=':
    case '<':
      // An unmeasured value is not below anything.
      if (/LatencyMs$|RttNs$/.test(field) && cell === 0) return false;
      return compare === '<' ? cell < low : cell <= low;
    default:
      return low <= cell && cell <= high;
  }
}

function inside(wanted: string, address: string): boolean {
  const bits = (text: string): string => {
    const bytes = parseAddress(text);
    return [...(bytes ?? [])].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  };
  const at = bits(address);
  const isV4 = (text: string): boolean => isMappedV4(parseAddress(text.split('/')[0]!)!);
  const isV4Wanted = isV4(wanted.split('-')[0]!) && (parseCidr(wanted)?.prefix ?? 128) >= 96;
  if (isV4Wanted !== isV4(address)) return false;
  const [low, high] = wanted.split('-');
  if (low !== undefined && high !== undefined) return bits(low) <= at && at <= bits(high);
  const prefix = parseCidr(wanted)?.prefix ?? 128;
  return at.slice(0, prefix) === bits(wanted.split('/')[0] ?? '').slice(0, prefix);
}

export function lossHolds(packetLoss: PacketLoss, row: Row): boolean {
  const packets = Number(row.Packets ?? 0);
  const lost = Number(row.PktDropPackets ?? 0);
  switch (packetLoss) {
    case 'all':
      return true;
    case 'dropped':
      return packets === 0 && lost > 0;
    case 'hasDrops':
      return lost > 0;
    case 'sent':
      return lost === 0;
  }
}

export interface ModelSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly total: number;
  readonly points: readonly (readonly [number, number])[];
}

/** All series of a metric query, without its limit, in no particular order. */
export function seriesModel(query: MetricQuery, rows: readonly Row[]): readonly ModelSeries[] {
  const wanted = rows.filter(
    (row) =>
      holds(query.filter, row) &&
      lossHolds(query.packetLoss, row) &&
      metricOf(query, row) !== undefined,
  );
  const { startMs, endMs } = query.range;
  const inRange = wanted.filter((row) => within(row, startMs, endMs));
  const keys = new Set(inRange.flatMap((row) => labelsOf(query.groupBy, row)));
  return [...keys].map((key) => {
    const own = wanted.filter((row) => labelsOf(query.groupBy, row).includes(key));
    const points: (readonly [number, number])[] = [];
    for (let from = startMs; from < endMs; from += query.stepMs) {
      const to = Math.min(from + query.stepMs, endMs);
      const windowMs = Math.ceil(query.rateIntervalMs / query.stepMs) * query.stepMs;
      const first = query.fn === 'rate' ? from + query.stepMs - windowMs : from;
      const value = aggregateOf(
        query,
        own.filter((row) => within(row, first, to)),
        (to - first) / 1000,
      );
      if (value !== undefined) points.push([from / 1000, value]);
    }
    const all = own.filter((row) => within(row, startMs, endMs));
    return { labels: JSON.parse(key), total: aggregateOf(query, all, 1) ?? 0, points };
  });
}

function within(row: Row, from: number, to: number): boolean {
  const end = Number(row.TimeFlowEndMs);
  return end >= from && end < to;
}

/** Bytes of flows that have a text: the field, by name of the measure. */
const ONLY_WITH: Readonly<Record<string, string>> = {
  ProcessBytes: 'ProcessName',
  TunnelBytes: 'TunnelType',
};

function metricOf(query: MetricQuery, row: Row): number | undefined {
  if (query.type === 'Flows') return 1;
  if (query.type === 'DnsFlows') {
    return row.DnsId === undefined && row.DnsFlagsResponseCode === undefined ? undefined : 1;
  }
  const having = ONLY_WITH[query.type];
  if (having !== undefined && (row[having] ?? '') === '') return undefined;
  const type = having === undefined ? query.type : 'Bytes';
  const value = row[type];
  const isDuration = /Ms$|Ns$/.test(type);
  return typeof value !== 'number' || (isDuration && value === 0) ? undefined : value;
}

/** The series that a row belongs to, each as the JSON of its labels. */
export function labelsOf(groupBy: readonly string[], row: Row): readonly string[] {
  let all: readonly Readonly<Record<string, string>>[] = [{}];
  const together = groupBy.filter((field) => PARALLEL.includes(field) && isListOf(row, field));
  for (const field of groupBy) {
    const cell = field === 'ServicePort' ? servicePortOf(row) : row[field];
    if (together.includes(field)) continue;
    const members = Array.isArray(cell) && cell.length > 0 ? cell : [cell];
    all = all.flatMap((labels) =>
      members.map((member) => ({ ...labels, [field]: textOf(member) })),
    );
  }
  const places = Math.max(1, ...together.map((field) => (row[field] as unknown[]).length));
  all = all.flatMap((labels) =>
    Array.from({ length: places }, (_, at) => ({
      ...labels,
      ...Object.fromEntries(
        together.map((field) => [field, textOf((row[field] as unknown[])[at])] as const),
      ),
    })),
  );
  const ordered = all.map((labels) => groupBy.map((field) => [field, labels[field] ?? '']));
  return [...new Set(ordered.map((entries) => JSON.stringify(Object.fromEntries(entries))))];
}

/** Lists whose members at one place belong together. */
const PARALLEL = ['Interfaces', 'IfDirections', 'Udns'];

function isListOf(row: Row, field: string): boolean {
  const cell = row[field];
  return Array.isArray(cell) && cell.length > 0;
}

function textOf(member: unknown): string {
  return member === undefined ? '' : String(member);
}

function servicePortOf(row: Row): unknown {
  const [source, destination] = [row.SrcPort, row.DstPort];
  if (row.Initiator === 1) return destination;
  if (row.Initiator === 2) return source;
  if (!source) return destination ?? source;
  if (!destination) return source;
  const known = (port: unknown) => serviceOfPort(Number(port)) !== undefined;
  if (known(source) !== known(destination)) return known(source) ? source : destination;
  return Math.min(Number(source), Number(destination));
}

function aggregateOf(
  query: MetricQuery,
  rows: readonly Row[],
  seconds: number,
): number | undefined {
  const values = rows.map((row) => metricOf(query, row) ?? 0).sort((a, b) => a - b);
  const sum = values.reduce((total, value) => total + value, 0);
  switch (query.fn) {
    case 'count':
      return values.length;
    case 'sum':
      return sum;
    case 'rate':
      return sum / seconds;
    case 'avg':
      return values.length === 0 ? undefined : sum / values.length;
    case 'min':
      return values[0];
    case 'max':
      return values.at(-1);
    case 'p90':
      return quantile(values, 0.9);
    case 'p99':
      return quantile(values, 0.99);
  }
}

/** Linear between the two nearest ranks. */
function quantile(sorted: readonly number[], share: number): number | undefined {
  if (sorted.length === 0) return undefined;
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}
