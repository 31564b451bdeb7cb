import { type Static, Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';

/** As many as there are addresses in 10.0.0.0/8. */
const CONNECTIONS_MAX = 2 ** 24;

function count(fallback: number, description: string, maximum = 2 ** 31 - 1) {
  return Type.Integer({ minimum: 1, maximum, default: fallback, description });
}

export const SyntheticOptions = strictObject(
  {
    connections: count(100, 'Number of different connections.', CONNECTIONS_MAX),
    batchMaxLen: count(10, 'Flows that arrive together.'),
    flowLogsPerMin: count(2000, 'Flows per minute.'),
  },
  {
    description: 'Makes flows of TCP connections, for tests: 100 bytes in one packet each.',
    examples: [{ connections: 1000, flowLogsPerMin: 60_000 }],
  },
);

export type SyntheticOptions = Static<typeof SyntheticOptions>;
