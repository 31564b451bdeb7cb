import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANY, type Filter, type MetricQuery } from '../../../src/query/ast.ts';
import type { SqlTables } from '../../../src/query/sql.ts';
import { printMetrics } from '../../../src/query/sql-metrics.ts';
import { printRecords, printValues } from '../../../src/query/sql-records.ts';

const TABLES: SqlTables = { facts: () => 'facts', dictionary: (name) => name };
const RANGE = { startMs: 1000, endMs: 61_000 };

const METRIC: MetricQuery = {
  range: RANGE,
  filter: ANY,
  packetLoss: 'all',
  type: 'Bytes',
  fn: 'rate',
  groupBy: ['SrcK8S_Namespace'],
  limit: 5,
  stepMs: 1000,
  rateIntervalMs: 3000,
};

test('no text of a value becomes part of a statement', () => {
  // A text that none of our statements contains.
  const hostile = fc.string({ minLength: 1 }).map((text) => `§${text}'"; DROP TABLE facts; --`);
  fc.assert(
    fc.property(hostile, fc.constantFrom('exact', 'pattern'), (text, kind) => {
      const filter: Filter = {
        kind: 'match',
        key: 'K8S_Namespace',
        operator: '=',
        values: [{ kind, text }],
      };
      const statements = [
        printRecords({ range: RANGE, filter, packetLoss: 'all', limit: 1 }, [], TABLES),
        printMetrics({ ...METRIC, filter }, TABLES),
        printValues({ field: 'SrcK8S_Name', contains: text, range: RANGE, limit: 1 }, TABLES),
      ];
      for (const { sql, params } of statements) {
        expect(sql).not.toContain('§');
        expect(params.some((param) => String(param).startsWith('§') || param === `%${text}%`)).toBe(
          true,
        );
      }
    }),
  );
});

test.each([
  [{ type: 'SrcAddr' }, 'ERR_QUERY_METRIC'],
  [{ type: 'Byte' }, 'ERR_QUERY_METRIC'],
  [{ groupBy: ['Nothing'] }, 'ERR_QUERY_FIELD_UNKNOWN'],
  [{ groupBy: Array(25).fill('Proto') }, 'ERR_QUERY_LIMIT'],
  [{ limit: 0 }, 'ERR_QUERY_LIMIT'],
  [{ stepMs: 0 }, 'ERR_QUERY_RANGE'],
  [{ stepMs: 1 }, 'ERR_QUERY_RANGE'],
  [{ range: { startMs: 5, endMs: 5 } }, 'ERR_QUERY_RANGE'],
] as const)('a metric query with %o is refused', (change, code) => {
  expect(() => printMetrics({ ...METRIC, ...change }, TABLES)).toThrowError(
    expect.objectContaining({ code }),
  );
});
