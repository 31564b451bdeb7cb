import { expect, test } from 'vitest';
import { start, there } from '../../../../support/models/interpreter/extractor-bed.ts';
import type { Row } from '../../../../support/models/interpreter/rows.ts';

const FIN = 0x01;

test('without options for times, those of the operator', async () => {
  const bed = await start({
    scheduling: [{}],
    tcpFlags: { fieldName: 'Flags', detectEndConnection: true },
  });
  const kinds = async () => (await bed.records()).map(({ _RecordType }) => _RecordType);
  bed.send({ ...there, Flags: FIN });
  bed.pass(4);
  expect(await kinds()).toEqual(['newConnection']);
  bed.pass(1);
  expect(await kinds()).toEqual(['endConnection']);
  bed.send(there);
  bed.pass(9);
  expect(await kinds()).toEqual(['newConnection']);
  for (let i = 0; i < 3; i++) {
    bed.send(there);
    bed.pass(7);
  }
  expect(await kinds()).toEqual(['heartbeat']);
  await bed.stop();
});

test('maxConnectionsTracked: no room is counted, and is there again after an end', async () => {
  const bed = await start({ outputRecordTypes: ['newConnection'], maxConnectionsTracked: 2 });
  const flows = [1, 2, 3].map((SrcPort) => ({ ...there, SrcPort }));
  const ports = async () => (await bed.records()).map(({ SrcPort }) => SrcPort);
  const rejected = async () =>
    (await bed.samples()).get('conntrack_input_records{classification="rejected"}');
  bed.send(...flows, ...flows);
  expect(await ports()).toEqual([1, 2]);
  expect(await rejected()).toBe(2);
  bed.pass(11);
  bed.send(...flows.toReversed());
  expect(await ports()).toEqual([3, 2]);
  expect(await rejected()).toBe(3);
  await bed.stop();
});

test('flows without a field: reportMissing and hash errors count them', async () => {
  const bed = await start({
    outputRecordTypes: ['endConnection'],
    outputFields: [
      { name: 'Bytes', operation: 'sum', reportMissing: true },
      { name: 'least', operation: 'min', input: 'Packets', reportMissing: true },
      { name: 'AgentIP', operation: 'last', reportMissing: true },
      { name: 'most', operation: 'max', input: 'DnsLatencyMs' },
    ],
  });
  const { SrcPort: _port, ...portless } = there;
  bed.send({ ...there, Packets: 3 }, { ...there, Bytes: 1, AgentIP: '10.9.9.9' }, portless);
  await bed.stop();
  expect(await bed.records()).toEqual([
    {
      ...there,
      _RecordType: 'endConnection',
      _IsFirst: 1,
      Bytes: 1,
      least: 3,
      AgentIP: '10.9.9.9',
    },
    { ...portless, _RecordType: 'endConnection', _IsFirst: 1 },
  ]);
  const errors = [...(await bed.samples())].filter(([key]) => /^conntrack_\w+_errors/.test(key));
  expect(Object.fromEntries(errors)).toEqual({
    'conntrack_hash_errors{error="MissingFieldError",field="SrcPort"}': 1,
    'conntrack_aggregator_errors{error="MissingFieldError",field="Bytes"}': 2,
    'conntrack_aggregator_errors{error="MissingFieldError",field="Packets"}': 2,
    'conntrack_aggregator_errors{error="MissingFieldError",field="AgentIP"}': 2,
  });
});

test('many connections: the table grows, ends leave no holes, and slots are used again', async () => {
  const bed = await start({
    outputRecordTypes: ['endConnection'],
    outputFields: [{ name: 'numFlowLogs', operation: 'count' }],
  });
  const flowOf = (index: number, rest: Row = {}) => ({
    ...there,
    SrcAddr: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    ...rest,
  });
  const send = (from: number, to: number) => {
    for (let at = from; at < to; at += 4000) {
      const count = Math.min(4000, to - at);
      bed.send(...Array.from({ length: count }, (_, index) => flowOf(at + index)));
    }
  };
  const counts = async () => {
    const records = await bed.records();
    const byCount = Map.groupBy(records, ({ numFlowLogs }) => numFlowLogs);
    expect(new Set(records.map(({ SrcAddr }) => SrcAddr)).size).toBe(records.length);
    return Object.fromEntries([...byCount].map(([count, found]) => [count, found.length]));
  };
  send(0, 20_000);
  bed.pass(6);
  send(5000, 20_000);
  bed.pass(4);
  expect(await counts()).toEqual({ 1: 5000 });
  send(0, 20_000);
  send(20_000, 24_000);
  bed.pass(6);
  expect(await counts()).toEqual({});
  bed.pass(4);
  expect(await counts()).toEqual({ 1: 9000, 3: 15_000 });
  await bed.stop();
  expect(await counts()).toEqual({});
});
