import { describe, expect, test } from 'vitest';
import { FIELDS } from '../../../../../src/flow/fields.ts';
import {
  back,
  KEY,
  start,
  TIMES,
  there,
} from '../../../../support/models/interpreter/extractor-bed.ts';
import { parseSamples } from '../../../../support/models/interpreter/prom.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../../../support/models/interpreter/test-stages.ts';

const FIN = 0x01;
const SYN = 0x02;
const ACK = 0x10;
const SYN_ACK = 0x100;
const ALL = ['newConnection', 'heartbeat', 'endConnection', 'flowLog'];

test('a TCP connection: handshake, data in both directions, FIN', async () => {
  const bed = await start({
    outputFields: [
      { name: 'Bytes', operation: 'sum' },
      { name: 'Bytes', operation: 'sum', splitAB: true },
      { name: 'Packets', operation: 'sum', splitAB: true },
      { name: 'numFlowLogs', operation: 'count' },
      { name: 'TimeFlowStartMs', operation: 'min' },
      { name: 'TimeFlowEndMs', operation: 'max' },
      { name: 'AgentIP', operation: 'first' },
      { name: 'PktDropLatestState', operation: 'last' },
    ],
    tcpFlags: { fieldName: 'Flags', detectEndConnection: true, swapAB: true },
  });
  bed.send(
    {
      ...there,
      Flags: SYN,
      Bytes: 74,
      Packets: 1,
      TimeFlowStartMs: 5000,
      TimeFlowEndMs: 5000,
      AgentIP: '192.168.0.1',
    },
    { ...back, Flags: SYN_ACK, Bytes: 60, Packets: 1, TimeFlowStartMs: 4990, TimeFlowEndMs: 5010 },
  );
  expect(await bed.records()).toEqual([
    {
      ...there,
      _RecordType: 'newConnection',
      _IsFirst: 1,
      Bytes: 74,
      Bytes_AB: 74,
      Packets_AB: 1,
      numFlowLogs: 1,
      TimeFlowStartMs: 5000,
      TimeFlowEndMs: 5000,
      AgentIP: '192.168.0.1',
    },
  ]);
  bed.send({ ...there, Flags: ACK, Bytes: 1000, Packets: 4, AgentIP: '192.168.0.2' });
  bed.send({ ...back, Flags: ACK | FIN, Bytes: 500, PktDropLatestState: 'TCP_CLOSE' });
  bed.pass(4);
  // Flows are added until the end, but do not put it off.
  bed.send({ ...there, Flags: ACK, Bytes: 6 });
  expect(await bed.records()).toEqual([]);
  bed.pass(1);
  expect(await bed.records()).toEqual([
    {
      ...there,
      _RecordType: 'endConnection',
      _IsFirst: 0,
      Bytes: 1640,
      Bytes_AB: 1080,
      Bytes_BA: 560,
      Packets_AB: 5,
      Packets_BA: 1,
      numFlowLogs: 5,
      TimeFlowStartMs: 4990,
      TimeFlowEndMs: 5010,
      AgentIP: '192.168.0.1',
      PktDropLatestState: 'TCP_CLOSE',
    },
  ]);
  const samples = await bed.samples();
  expect(samples.get('conntrack_end_connections{group="0: DEFAULT",reason="FIN_flag"}')).toBe(1);
  expect(samples.get('conntrack_tcp_flags{action="detectEndConnection"}')).toBe(1);
  await bed.stop();
});

test('swapAB: a connection first seen by its SYN_ACK began at the other side', async () => {
  const outputFields = [{ name: 'Bytes', operation: 'sum', splitAB: true }];
  const tcpFlags = { fieldName: 'Flags', swapAB: true };
  const swapped = await start({ outputFields, tcpFlags });
  swapped.send({ ...back, Flags: SYN_ACK, Bytes: 60 }, { ...there, Bytes: 7 });
  swapped.pass(10);
  expect(await swapped.records()).toEqual([
    { ...there, _RecordType: 'newConnection', _IsFirst: 1, Bytes_BA: 60 },
    { ...there, _RecordType: 'endConnection', _IsFirst: 0, Bytes_BA: 60, Bytes_AB: 7 },
  ]);
  expect((await swapped.samples()).get('conntrack_tcp_flags{action="swapAB"}')).toBe(1);
  await swapped.stop();
  const plain = await start({ outputFields });
  plain.send({ ...back, Flags: SYN_ACK, Bytes: 60 });
  const [record] = await plain.records();
  expect(record).toMatchObject({ ...back, Bytes_AB: 60 });
  await plain.stop();
});

test('connections end and beat by the clock, without any traffic', async () => {
  const bed = await start({
    scheduling: [{ ...TIMES, endConnectionTimeout: '70s', heartbeatInterval: '30s' }],
    outputFields: [{ name: 'numFlowLogs', operation: 'count' }],
  });
  bed.send(there);
  const kinds = async () => (await bed.records()).map(({ _RecordType }) => _RecordType);
  expect(await kinds()).toEqual(['newConnection']);
  bed.pass(29);
  expect(await kinds()).toEqual([]);
  bed.pass(1);
  expect(await kinds()).toEqual(['heartbeat']);
  bed.pass(39);
  expect(await kinds()).toEqual(['heartbeat']);
  bed.pass(1);
  expect(await kinds()).toEqual(['endConnection']);
  bed.pass(1000);
  expect(await kinds()).toEqual([]);
  const samples = await bed.samples();
  expect(samples.get('conntrack_memory_connections{group="0: DEFAULT",phase="active"}')).toBe(0);
  expect(samples.get('conntrack_end_connections{group="0: DEFAULT",reason="timeout"}')).toBe(1);
  expect(samples.get('conntrack_output_records{type="heartbeat"}')).toBe(2);
  await bed.stop();
});

test('what is left ends when the pipeline stops', async () => {
  const bed = await start({
    outputRecordTypes: ['endConnection'],
    outputFields: [{ name: 'Bytes', operation: 'sum' }],
  });
  bed.send({ ...there, Bytes: 5 }, { ...there, DstPort: 80, Bytes: 6 });
  expect(await bed.records()).toEqual([]);
  await bed.stop();
  expect(await bed.records()).toEqual([
    { ...there, _RecordType: 'endConnection', _IsFirst: 1, Bytes: 5 },
    { ...there, DstPort: 80, _RecordType: 'endConnection', _IsFirst: 1, Bytes: 6 },
  ]);
  const samples = await bed.samples();
  expect(samples.get('conntrack_end_connections{group="0: DEFAULT",reason="shutdown"}')).toBe(2);
});

describe('flowLog', () => {
  test('echoes all flows; duplicates and other protocols belong to no connection', async () => {
    const bed = await start(
      {
        outputRecordTypes: ALL,
        outputFields: [{ name: 'Bytes', operation: 'sum', splitAB: true }],
      },
      FIELDS,
    );
    const ping = { SrcAddr: '10.0.0.1', DstAddr: '10.0.0.2', Proto: 1, IcmpType: 8, Bytes: 98 };
    const arp = { SrcMac: '02:00:00:00:00:01', Etype: 0x0806 };
    const flows = [
      { ...there, Bytes: 7, Interfaces: ['eth0', 'br0'], DnsName: 'example.org' },
      ping,
      { ...back, Bytes: 9, Duplicate: 1 },
      arp,
      { ...there, SrcPort: 1, Duplicate: 1 },
    ];
    bed.send(...flows);
    const records = await bed.records();
    expect(records).toEqual([
      { ...there, _RecordType: 'newConnection', _IsFirst: 1, Bytes_AB: 7 },
      ...flows.map((flow) => ({ ...flow, _RecordType: 'flowLog' })),
    ]);
    const [connection, first, pinged, second, asked, unknown] = await bed.hashes();
    expect(connection).toMatch(/^[0-9a-f]{16}$/);
    expect([first, second]).toEqual([connection, connection]);
    expect([pinged, asked]).toEqual([undefined, undefined]);
    expect(unknown).toMatch(/^[0-9a-f]{16}$/);
    expect(unknown).not.toBe(connection);
    const samples = await bed.samples();
    const input = (classification: string) =>
      samples.get(`conntrack_input_records{classification="${classification}"}`);
    expect(input('newConnection')).toBe(1);
    expect(input('discarded')).toBe(2);
    expect(input('duplicate')).toBe(2);
    expect(input('update')).toBe(0);
    expect(samples.get('conntrack_output_records{type="flowLog"}')).toBe(5);
    await bed.stop();
  });

  test('keeps keys that only the data define', async () => {
    const conntrack = {
      keyDefinition: KEY,
      outputRecordTypes: ['flowLog', 'endConnection'],
      outputFields: [
        { name: 'colour', operation: 'last' },
        { name: 'total', operation: 'sum', input: 'weight' },
      ],
      scheduling: [TIMES],
    };
    const rows = [
      { ...there, colour: { deep: ['red'] }, weight: 2, shape: 'round', _RecordType: 'old' },
      { ...back, colour: 'blue', weight: 'heavy' },
    ];
    const { pipeline, stores, metrics } = testPipeline(
      {
        pipeline: [
          { name: 'c', follows: 'rows' },
          { name: 'end', follows: 'c' },
        ],
        parameters: [
          { name: 'rows', ingest: { type: 'rows', rows: { batches: [rows] } } },
          { name: 'c', extract: { type: 'conntrack', conntrack } },
          { name: 'end', write: { type: 'store', store: { name: 'a' } } },
        ],
      },
      { types: WITH_TEST_STAGES },
    );
    await pipeline.start(new AbortController().signal);
    await pipeline.stop();
    expect(stores.a.rows.map(({ _HashId, ...row }) => row)).toEqual([
      { ...rows[0], _RecordType: 'flowLog' },
      { ...rows[1], _RecordType: 'flowLog' },
      { ...there, colour: 'blue', total: 2, _RecordType: 'endConnection', _IsFirst: 1 },
    ]);
    const samples = parseSamples(await metrics.registry.metrics());
    const error = 'conntrack_aggregator_errors{error="Float64ConversionError",field="weight"}';
    expect(samples.get(error)).toBe(1);
  });
});

test('groups of the scheduling by selector: text and number are the same, the first one counts', async () => {
  const bed = await start({
    outputRecordTypes: ['endConnection'],
    scheduling: [
      { selector: { Proto: '17', DstPort: 53 }, endConnectionTimeout: '1s' },
      { selector: { Proto: 17 }, endConnectionTimeout: '3s' },
      { endConnectionTimeout: '6s' },
    ],
  });
  const udp = { ...there, Proto: 17 };
  bed.send(udp, { ...udp, DstPort: 53 }, there);
  const ports = async () => (await bed.records()).map(({ Proto, DstPort }) => [Proto, DstPort]);
  bed.pass(2);
  expect(await ports()).toEqual([[17, 53]]);
  bed.pass(2);
  expect(await ports()).toEqual([[17, 443]]);
  bed.pass(2);
  expect(await ports()).toEqual([[6, 443]]);
  const ended = [...(await bed.samples()).keys()].filter((key) =>
    key.startsWith('conntrack_end_connections'),
  );
  expect(ended).toEqual([
    'conntrack_end_connections{group="0: Proto=17, DstPort=53, ",reason="timeout"}',
    'conntrack_end_connections{group="1: Proto=17, ",reason="timeout"}',
    'conntrack_end_connections{group="2: DEFAULT",reason="timeout"}',
  ]);
  await bed.stop();
});
