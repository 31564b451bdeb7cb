import type { FieldSpec } from '../flow/field.ts';
import { WELL_KNOWN_PORTS } from '../flow/ports.ts';
import { requireField } from './keys.ts';
import type { SqlContext } from './sql.ts';

/**
 * The server's port, which is the same in flows of both directions of a conversation. It is not a
 * field of a flow, as it follows from others; only groups can be named by it.
 */
export const SERVICE_PORT: FieldSpec = {
  name: 'ServicePort',
  kind: 'u16',
  semantics: 'port',
  meaning: 'Port of the end that serves.',
  producer: 'pipeline',
  cardinality: 'careful',
};

/**
 * The server is the end that did not open the conversation. If that is unknown, it is the end whose
 * port has a well-known name, and otherwise the one with the lower port: systems assign client
 * ports from the upper half of the range.
 */
export function printServicePort(context: SqlContext): string {
  const [initiator, source, destination] = ['Initiator', 'SrcPort', 'DstPort'].map((name) =>
    context.column(requireField(name)),
  );
  const known = [...new Set(WELL_KNOWN_PORTS.map(({ port }) => port))].join(', ');
  return (
    `CASE WHEN ${initiator} = 1 THEN ${destination} WHEN ${initiator} = 2 THEN ${source} ` +
    `WHEN ${source} = 0 THEN coalesce(${destination}, 0) ` +
    `WHEN ${destination} = 0 THEN coalesce(${source}, 0) ` +
    `WHEN ${source} IN (${known}) AND ${destination} NOT IN (${known}) THEN ${source} ` +
    `WHEN ${destination} IN (${known}) AND ${source} NOT IN (${known}) THEN ${destination} ` +
    `ELSE least(${source}, ${destination}) END`
  );
}
