import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RecordsResponse } from '../../../../src/console/api.ts';
import { queryStats } from '../../../../src/console/server/stats.ts';
import { encodeStreams } from '../../../../src/console/server/streams.ts';
import type { FlowRow } from '../../../../src/query/ast.ts';

const LABELS = ['SrcK8S_Namespace', 'FlowDirection'];

function encode(rows: readonly FlowRow[]): RecordsResponse {
  const stats = queryStats('records', 1.26, rows.length, false);
  return JSON.parse([...encodeStreams(rows, LABELS, stats, 1_767_225_600_500)].join(''));
}

test('rows become streams by their labels, in the order of the rows', () => {
  const answer = encode([
    { TimeFlowEndMs: 30, FlowDirection: 1, SrcK8S_Namespace: 'web', Bytes: 3, Proto: 6 },
    { TimeFlowEndMs: 20, FlowDirection: 0, SrcK8S_Namespace: 'web', Bytes: 2, SrcAddr: 'fd00::1' },
    { TimeFlowEndMs: 10, FlowDirection: 1, SrcK8S_Namespace: 'web', Interfaces: ['eth0', 'lo'] },
  ]);
  expect(answer).toEqual({
    resultType: 'streams',
    result: [
      {
        stream: { app: 'netobserv-flowcollector', SrcK8S_Namespace: 'web', FlowDirection: '1' },
        values: [
          ['30000000', '{"TimeFlowEndMs":30,"Bytes":3,"Proto":6}'],
          ['10000000', '{"TimeFlowEndMs":10,"Interfaces":["eth0","lo"]}'],
        ],
      },
      {
        stream: { app: 'netobserv-flowcollector', SrcK8S_Namespace: 'web', FlowDirection: '0' },
        values: [['20000000', '{"TimeFlowEndMs":20,"Bytes":2,"SrcAddr":"fd00::1"}']],
      },
    ],
    stats: {
      numQueries: 1,
      totalEntries: 3,
      duplicates: 0,
      limitReached: false,
      queriesStats: [{ name: 'records', durationMs: 1.3 }],
      dataSources: ['store'],
    },
    unixTimestamp: 1_767_225_600,
  });
});

test('no rows', () => {
  expect(encode([]).result).toEqual([]);
});

test('a label without a value is left out, and an absent field too', () => {
  const [stream] = encode([{ FlowDirection: 0, SrcK8S_Namespace: '', Bytes: undefined }]).result;
  expect(stream).toEqual({
    stream: { app: 'netobserv-flowcollector', FlowDirection: '0' },
    values: [['0', '{}']],
  });
});

test('whatever rows hold comes back as it went in', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0)),
    fc.boolean(),
    fc.array(fc.string()),
  );
  const name = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__');
  const row = fc.dictionary(name, value, { maxKeys: 8 });
  fc.assert(
    fc.property(fc.array(row), (rows) => {
      const lines = encode(rows).result.flatMap((stream) => stream.values.map(([, line]) => line));
      expect(lines.map((line) => JSON.parse(line))).toEqual(rows.map((each) => ({ ...each })));
    }),
    { numRuns: 50 },
  );
});

test('a large answer comes in many pieces of bounded size', () => {
  const row = { TimeFlowEndMs: 1, Bytes: 1, SrcAddr: '10.0.0.1', DstAddr: '10.0.0.2' };
  const rows = Array.from({ length: 10_000 }, () => row);
  const sizes = [...encodeStreams(rows, LABELS, queryStats('r', 0, 0, false), 0)].map(
    (piece) => piece.length,
  );
  expect(sizes.length).toBeGreaterThan(10);
  expect(Math.max(...sizes)).toBeLessThan(66_000);
});
