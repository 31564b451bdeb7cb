import type { FlowRow } from '../../query/ast.ts';
import { TIME_FIELD } from '../../query/sql.ts';
import type { QueryStats } from '../api.ts';

/** The one label that every stream has in the console plugin's API. */
const APP_LABEL = { app: 'netobserv-flowcollector' } as const;

/** Characters gathered before a piece is handed to the socket: few system calls, little memory. */
const PIECE_CHARS = 64 * 1024;

/** A Loki timestamp has nanoseconds; rows are ordered by their end, in milliseconds. */

interface Stream {
  readonly labels: string;
  readonly rows: FlowRow[];
}

/**
 * The text of a records answer, piece by piece: rows grouped by their label fields into streams,
 * each in the order in which its rows arrived (newest first).
 *
 * The pieces keep ten thousand rows from being in memory as one text, and from blocking the process
 * for the 30 ms that they take.
 */
export function* encodeStreams(
  rows: readonly FlowRow[],
  labelFields: readonly string[],
  stats: QueryStats,
  nowMs: number,
): Generator<string> {
  const labels = new Set(labelFields);
  let piece = '{"resultType":"streams","result":[';
  let firstStream = true;
  for (const stream of groupByLabels(rows, labelFields)) {
    piece += `${firstStream ? '' : ','}{"stream":${stream.labels},"values":[`;
    firstStream = false;
    let firstRow = true;
    for (const row of stream.rows) {
      piece += `${firstRow ? '' : ','}["${nanoseconds(row)}",${JSON.stringify(line(row, labels))}]`;
      firstRow = false;
      if (piece.length >= PIECE_CHARS) {
        yield piece;
        piece = '';
      }
    }
    piece += ']}';
  }
  const tail = `"stats":${JSON.stringify(stats)},"unixTimestamp":${Math.floor(nowMs / 1000)}}`;
  yield `${piece}],${tail}`;
}

/** Streams in the order of their newest row. */
function groupByLabels(rows: readonly FlowRow[], labelFields: readonly string[]): Stream[] {
  const streams = new Map<string, Stream>();
  for (const row of rows) {
    let key = '';
    for (const field of labelFields) {
      const value = row[field];
      // Label values hold no unit separator, so different values make different keys.
      key += value === undefined || value === null ? '\u001f' : `${value}\u001f`;
    }
    const known = streams.get(key);
    if (known === undefined) streams.set(key, { labels: labelsOf(row, labelFields), rows: [row] });
    else known.rows.push(row);
  }
  return [...streams.values()];
}

/** Labels of a row. As in Loki, which has no empty labels, a field without a value is left out. */
function labelsOf(row: FlowRow, labelFields: readonly string[]): string {
  const labels: Record<string, string> = { ...APP_LABEL };
  for (const field of labelFields) {
    const value = row[field];
    if (value !== undefined && value !== null && value !== '') labels[field] = String(value);
  }
  return JSON.stringify(labels);
}

/** The row as a JSON object without its labels. */
function line(row: FlowRow, labels: ReadonlySet<string>): string {
  const rest: Record<string, unknown> = {};
  for (const name in row) if (!labels.has(name)) rest[name] = row[name];
  return JSON.stringify(rest);
}

function nanoseconds(row: FlowRow): string {
  const endMs = Number(row[TIME_FIELD] ?? 0);
  return endMs > 0 ? `${Math.trunc(endMs)}000000` : '0';
}
