import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { startExtractor } from '../../../support/models/interpreter/extractor-bed.ts';
import { MatrixModel } from '../../../support/models/interpreter/matrix.ts';
import type { Row } from '../../../support/models/interpreter/rows.ts';

const SECOND_MS = 1000;

const start = (options: object = {}, tables = new TableSpace()) =>
  startExtractor('matrix', options, { tables });

const [A, B] = ['10.0.0.1', '10.0.0.2'];
const there = { SrcAddr: A, SrcPort: 40_000, DstAddr: B, DstPort: 443, Proto: 6 };
const back = { SrcAddr: B, SrcPort: 443, DstAddr: A, DstPort: 40_000, Proto: 6 };
/** A conversation between two high ports, whose server has the higher one. */
const high = { SrcAddr: A, SrcPort: 20_000, DstAddr: B, DstPort: 30_000, Proto: 6 };
const highBack = { SrcAddr: B, SrcPort: 30_000, DstAddr: A, DstPort: 20_000, Proto: 6 };

const ENDS = [
  { name: 'Addr', source: 'SrcAddr', destination: 'DstAddr' },
  { name: 'Name', source: 'SrcDnsName', destination: 'DstDnsName' },
  { name: 'Mac', source: 'SrcMac', destination: 'DstMac' },
];

/** Records without their times. */
function untimed(records: readonly Row[]): readonly Row[] {
  return records.map(({ TimeFlowStartMs: _, TimeFlowEndMs: _end, ...rest }) => rest);
}

const pair = (client: string, server: string, ServerPort: number) => ({
  ...{ ClientAddr: client, ServerAddr: server, ServerPort, Proto: 6 },
});

test('both directions of all conversations with a server are one flow for each window', async () => {
  const bed = await start();
  bed.send({ ...back, Bytes: 1000, Packets: 3 }, { ...there, Bytes: 100, Packets: 2 });
  bed.send({ ...there, SrcPort: 40_001, Bytes: 10, Packets: 1 }, { ...there, DstPort: 80 });
  bed.pass(60);
  const records = await bed.records();
  expect(untimed(records)).toEqual([
    {
      ...pair(A, B, 443),
      ...{ ClientBytes: 110, ClientPackets: 3, ClientFlows: 2 },
      ...{ ServerBytes: 1000, ServerPackets: 3, ServerFlows: 1 },
    },
    {
      ...pair(A, B, 80),
      ...{ ClientBytes: 0, ClientPackets: 0, ClientFlows: 1 },
      ...{ ServerBytes: 0, ServerPackets: 0, ServerFlows: 0 },
    },
  ]);
  const [first] = records;
  expect(Number(first!.TimeFlowEndMs) - Number(first!.TimeFlowStartMs)).toBe(60_000);
  bed.pass(60);
  expect(await bed.records()).toEqual([]);
  bed.send(there);
  bed.pass(30);
  await bed.stop();
  const [last] = await bed.records();
  expect(last).toMatchObject({ ClientFlows: 1, ServerFlows: 0 });
  expect(Number(last!.TimeFlowEndMs) - Number(last!.TimeFlowStartMs)).toBe(30_000);
});

describe('the client', () => {
  test.each<readonly [string, readonly Row[], string, number]>([
    ['has the higher port', [highBack, high], B, 20_000],
    ['is who Initiator says: the source', [{ ...high, Initiator: 1 }, highBack], A, 30_000],
    ['is who Initiator says: the destination', [high, { ...highBack, Initiator: 2 }], A, 30_000],
    ['sent a SYN alone', [{ ...high, Flags: 2 }], A, 30_000],
    ['got a SYN with ACK', [high, { ...highBack, Flags: 2 + 16 + 256 }], A, 30_000],
    ['is not who sent SYN and ACK, perhaps in two packets', [{ ...high, Flags: 18 }], B, 20_000],
    ['is of Initiator, against flags', [{ ...high, Flags: 2, Initiator: 2 }], B, 20_000],
    ['is not by flags of another protocol', [{ ...high, Flags: 2, Proto: 17 }], B, 20_000],
    ['is the first source, with equal ports', [{ ...high, DstPort: 20_000 }], A, 20_000],
  ])('%s', async (_why, rows, client, ServerPort) => {
    const bed = await start();
    bed.send(...rows);
    await bed.stop();
    const records = await bed.records();
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ ClientAddr: client, ServerPort });
  });

  test('is remembered for five minutes after the last flow', async () => {
    const bed = await start();
    bed.send({ ...high, Flags: 2 });
    for (let minute = 0; minute < 5; minute++) bed.pass(60);
    bed.send(highBack);
    bed.pass(60);
    expect((await bed.records()).map(({ ClientAddr }) => ClientAddr)).toEqual([A, A]);
    for (let minute = 0; minute < 7; minute++) bed.pass(60);
    bed.send(highBack);
    bed.pass(60);
    expect((await bed.records()).map(({ ClientAddr }) => ClientAddr)).toEqual([B]);
  });

  test('is another one when the ports are used again', async () => {
    const bed = await start();
    bed.send({ ...high, Flags: 2 });
    bed.pass(60);
    bed.send({ ...highBack, Flags: 2 });
    bed.pass(60);
    expect((await bed.records()).map(({ ClientAddr }) => ClientAddr)).toEqual([A, B]);
  });
});

test('window: its length; maxPairs: further ones are counted', async () => {
  const bed = await start({ window: '10s', maxPairs: 2 });
  bed.send(there, { ...there, DstPort: 80 }, { ...there, DstPort: 81 }, { ...there, DstPort: 81 });
  bed.pass(10);
  expect(await bed.records()).toHaveLength(2);
  const rejected = 'pipeline_extractor_rejected_flows_total{rule="",stage="c"}';
  expect((await bed.samples()).get(rejected)).toBe(2);
  bed.send({ ...there, DstPort: 81 });
  bed.pass(10);
  expect(await bed.records()).toHaveLength(1);
});

test('ends: names instead of addresses; what a flow lacks is left out', async () => {
  const bed = await start({ ends: [ENDS[1], ENDS[2]] });
  const names = { SrcDnsName: 'web', DstDnsName: 'db', DstMac: '02:00:00:00:00:01' };
  bed.send({ ...there, ...names, Bytes: 5 }, { ...there, ...names, SrcAddr: B, Bytes: 6 });
  await bed.stop();
  expect(untimed(await bed.records())).toEqual([
    {
      ...{ ClientName: 'web', ServerName: 'db', ServerMac: '02:00:00:00:00:01' },
      ...{ ServerPort: 443, Proto: 6 },
      ...{ ClientBytes: 11, ClientPackets: 0, ClientFlows: 2 },
      ...{ ServerBytes: 0, ServerPackets: 0, ServerFlows: 0 },
    },
  ]);
});

test('without room to remember conversations, sums stay right; the flows are counted', async () => {
  const bed = await start({ window: '1h' });
  const [destinations, ports] = [5, 60_000];
  for (let destination = 0; destination < destinations; destination++) {
    for (let port = 0; port < ports; port += 4000) {
      const rows = Array.from({ length: 4000 }, (_, i) => ({
        ...{ ...there, SrcPort: port + i + 1000, DstAddr: `10.0.1.${destination}`, Bytes: 2 },
      }));
      bed.send(...rows);
    }
  }
  bed.send({ ...back, SrcAddr: '10.0.1.4', DstPort: 60_999, Bytes: 7 });
  await bed.stop();
  const records = await bed.records();
  expect(records).toHaveLength(destinations);
  for (const { ClientBytes, ClientFlows } of records) {
    expect([ClientBytes, ClientFlows]).toEqual([2 * ports, ports]);
  }
  const answered = records.filter(({ ServerBytes }) => ServerBytes === 7);
  expect(answered.map(({ ServerAddr }) => ServerAddr)).toEqual(['10.0.1.4']);
  const unremembered = 'pipeline_matrix_unremembered_flows_total{stage="c"}';
  expect((await bed.samples()).get(unremembered)).toBe(destinations * ports + 1 - 2 ** 18);
});

test('names of forgotten conversations leave memory, and living ones keep theirs', async () => {
  const bed = await start({ ends: [ENDS[1]] });
  const stays = { ...high, SrcDnsName: 'me', DstDnsName: 'you' };
  bed.send({ ...stays, Flags: 2 });
  for (let minute = 0; minute < 15; minute++) {
    const names = Array.from({ length: 4000 }, (_, i) => ({
      ...{ ...there, SrcDnsName: `from-${minute}-${i}`, DstDnsName: `to-${minute}-${i}` },
    }));
    bed.send(...names);
    bed.send({ ...highBack, SrcDnsName: 'you', DstDnsName: 'me', Bytes: 1 });
    bed.pass(60);
    const records = await bed.records();
    const own = records.filter(({ ServerPort }) => ServerPort === 30_000);
    expect(own).toMatchObject([{ ClientName: 'me', ServerName: 'you', ServerBytes: 1 }]);
    expect(new Set(records.map(({ ClientName }) => ClientName)).size).toBe(4001);
  }
}, 30_000);

const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '2001:db8::1');
const port = fc.constantFrom(0, 53, 443, 40_000, 65_535);
const dnsName = fc.option(fc.constantFrom('x', 'y'), { nil: undefined });
const mac = fc.constantFrom('02:00:00:00:00:01', '02:00:00:00:00:02');
const anyRow = fc.record(
  {
    ...{ SrcAddr: address, DstAddr: address, SrcPort: port, DstPort: port },
    ...{ SrcDnsName: dnsName, DstDnsName: dnsName, SrcMac: mac, DstMac: mac },
    Proto: fc.constantFrom(1, 6, 17),
    Flags: fc.constantFrom(2, 16, 18, 256, 274),
    Initiator: fc.constantFrom(1, 2),
    Bytes: fc.integer({ min: 0, max: 1000 }),
    Packets: fc.integer({ min: 0, max: 10 }),
  },
  { requiredKeys: [] },
);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.array(anyRow, { minLength: 1, maxLength: 8 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 8 }) },
);

function sorted(records: readonly Row[]): readonly string[] {
  return records.map((row) => JSON.stringify(Object.entries(row).sort())).sort();
}

test('any flows: the same as by a model with objects', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      // A small table of strings is made anew again and again.
      const bed = await start({ ends: ENDS }, new TableSpace(4));
      let nowMs = bed.nowMs();
      const model = new MatrixModel(ENDS, nowMs);
      const wanted: Row[] = [];
      for (const one of steps) {
        if (typeof one === 'number') {
          for (let minute = 0; minute < one; minute++) {
            bed.pass(60);
            nowMs += 60 * SECOND_MS;
            wanted.push(...model.tick(nowMs));
          }
          continue;
        }
        const rows = one.map((row) => JSON.parse(JSON.stringify(row)) as Row);
        bed.send(...rows);
        for (const row of rows) model.flow(row, nowMs);
      }
      await bed.stop();
      wanted.push(...model.tick(nowMs));
      expect(sorted(await bed.records())).toEqual(sorted(wanted));
    }),
    { numRuns: 200 },
  );
});

test.each([
  [{ window: '10ms' }, /matrix\.window.*at least 1s/],
  [{ ends: [ENDS[0], ENDS[0]] }, /ends\[1\]\.name.*ClientAddr is another column/],
  [{ ends: [{ ...ENDS[0], name: 'Bytes' }] }, /ends\[0\]\.name.*ClientBytes is another/],
  [{ ends: [{ ...ENDS[0], source: 'Interfaces' }] }, /ends\[0\]\.source/],
  [{ maxPairs: 0 }, /maxPairs/],
])('%j is a mistake', async (options, message) => {
  await expect(start(options)).rejects.toThrow(message);
});
