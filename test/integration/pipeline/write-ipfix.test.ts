import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import {
  IpfixReader,
  type ReadMessage,
  type ReadRecord,
} from '../../support/codec/ipfix-reader.ts';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';

/** `write: ipfix` to sockets; a plain reader of RFC 7011 reads what arrives. */

const PEN = 2;

interface Collector {
  readonly port: number;
  readonly messages: ReadMessage[];
  readonly templates: () => number;
}

async function udpCollector(): Promise<Collector> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  const reader = new IpfixReader();
  const messages: ReadMessage[] = [];
  socket.on('message', (bytes) => messages.push(reader.read(bytes)));
  return {
    port: socket.address().port,
    messages,
    templates: () => messages.filter(({ sets }) => sets.includes(2)).length,
  };
}

async function tcpCollector(): Promise<Collector> {
  const messages: ReadMessage[] = [];
  const server = createServer((socket) => {
    const reader = new IpfixReader();
    let rest = Buffer.alloc(0);
    socket.on('data', (piece: Buffer) => {
      rest = Buffer.concat([rest, piece]);
      while (rest.length >= 4 && rest.length >= rest.readUInt16BE(2)) {
        const length = rest.readUInt16BE(2);
        messages.push(reader.read(rest.subarray(0, length)));
        rest = rest.subarray(length);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return {
    port: (server.address() as AddressInfo).port,
    messages,
    templates: () => messages.filter(({ sets }) => sets.includes(2)).length,
  };
}

/** The records that arrive of batches from two sources, which have different columns. */
async function write(
  { port }: Collector,
  batches: readonly (readonly Row[])[],
  options: Readonly<Record<string, unknown>> = {},
) {
  const { pipeline } = testPipeline(
    {
      pipeline: [
        { name: 'out', follows: 'in' },
        { name: 'named', follows: 'in2' },
        { name: 'out', follows: 'named' },
      ],
      parameters: [
        { name: 'in', ingest: { type: 'rows', rows: { batches } } },
        { name: 'in2', ingest: { type: 'rows', rows: { batches: [[NAMED]] } } },
        {
          name: 'named',
          transform: { type: 'generic', generic: { policy: 'preserve_original_keys', rules: [] } },
        },
        {
          name: 'out',
          write: {
            type: 'ipfix',
            ipfix: { targetHost: '127.0.0.1', targetPort: port, enterpriseId: PEN, ...options },
          },
        },
      ],
    },
    { types: WITH_TEST_STAGES, clock: systemClock },
  );
  await pipeline.start(new AbortController().signal);
  return pipeline;
}

const FULL = {
  ...{ Etype: 0x0800, SrcAddr: '10.0.0.1', DstAddr: '10.0.0.2', Proto: 6, SrcPort: 1000 },
  ...{ DstPort: 443, Flags: 18, Bytes: 5_000_000_000, Packets: 7, Sampling: 50 },
  ...{ SrcMac: '02:00:00:00:00:01', TimeFlowStartMs: 1_700_000_000_123 },
  ...{ TimeFlowRttNs: 12_345, Interfaces: ['eth0', 'br0'], IfDirections: [0, 1] },
  ...{ SrcK8S_Namespace: 'shop', SrcK8S_Name: 'cart-1', DstK8S_Namespace: 'bank' },
  ...{ DstK8S_Name: 'vault-0', SrcK8S_HostName: 'node-1', DstK8S_HostName: 'node-2' },
};
const BARE = {
  ...{ Etype: 0x0800, SrcAddr: '10.0.0.3', DstAddr: '10.0.0.4', Bytes: 10, Packets: 1 },
};
const SIX = { ...BARE, Etype: 0x86dd, SrcAddr: '2001:db8::1', DstAddr: '2001:db8::2', Packets: 2 };
const NAMED = { ...BARE, SrcAddr: '10.0.0.9', SrcK8S_Name: 'other', Packets: 3 };

const own = (id: number) => `${PEN}/${id}`;

/** The elements of the full flow: numbers of IANA, and those of flowlogs-pipeline. */
function expectFull(record: ReadRecord): void {
  expect(Object.fromEntries(record)).toMatchObject({
    ...{ 256: 0x0800, 8: '10.0.0.1', 12: '10.0.0.2', 4: 6, 7: 1000, 11: 443, 6: 18 },
    ...{ 1: 5_000_000_000, 2: 7, 311: 1 / 50, 56: '02:00:00:00:00:01', 152: 1_700_000_000_123 },
    ...{ 82: 'eth0', 61: 0 },
    ...{ [own(7733)]: 'shop', [own(7734)]: 'cart-1', [own(7735)]: 'bank', [own(7736)]: 'vault-0' },
    ...{ [own(7737)]: 'node-1', [own(7738)]: 'node-2', [own(7740)]: 12_345 },
    ...{ [own(7741)]: 'eth0,br0', [own(7742)]: '0,1' },
  });
}

/** Fields that a flow lacks are zero or empty, whatever the flow before it had. */
function expectBare(record: ReadRecord): void {
  expect(Object.fromEntries(record)).toMatchObject({
    ...{ 8: '10.0.0.3', 12: '10.0.0.4', 1: 10, 2: 1, 4: 0, 7: 0, 11: 0, 6: 0, 152: 0, 82: '' },
    ...{ [own(7733)]: '', [own(7734)]: '', [own(7736)]: '', [own(7738)]: '', [own(7740)]: 0 },
    ...{ [own(7741)]: '', [own(7742)]: '' },
  });
}

test.each([
  ['tcp', tcpCollector],
  ['udp', udpCollector],
] as const)('by %s, every flow has its own values and no others', async (transport, open) => {
  const collector = await open();
  const pipeline = await write(collector, [[FULL, BARE], [BARE], [SIX, FULL]], { transport });
  await pipeline.stop();
  expect(pipeline.branches()[0]).toMatchObject({ in: 6, written: 6, dropped: {} });
  const records = () => collector.messages.flatMap((message) => message.records);
  await expect.poll(() => records().length).toBe(6);
  const by = (id: string, value: string) => records().filter((record) => record.get(id) === value);
  expect(by('8', '10.0.0.1')).toHaveLength(2);
  for (const record of by('8', '10.0.0.1')) expectFull(record);
  expect(by('8', '10.0.0.3')).toHaveLength(2);
  for (const record of by('8', '10.0.0.3')) expectBare(record);
  expect(by('27', '2001:db8::1').map((record) => record.get('28'))).toEqual(['2001:db8::2']);
  expect(by('8', '10.0.0.9').map((record) => record.get(own(7734)))).toEqual(['other']);
});

test('without a number of an enterprise, only elements of IANA are sent', async () => {
  const collector = await tcpCollector();
  const pipeline = await write(collector, [[FULL]], { enterpriseId: 0 });
  await pipeline.stop();
  const records = () => collector.messages.flatMap((message) => message.records);
  await expect.poll(() => records().length).toBe(2);
  for (const record of records()) {
    expect([...record.keys()].filter((id) => id.includes('/'))).toEqual([]);
  }
});

test.each([
  ['1ms', 3],
  ['1h', 1],
])('after %s, templates are sent again by udp', async (tplSendInterval, times) => {
  const collector = await udpCollector();
  const bursts = Array.from({ length: 3 }, () => Array.from({ length: 250 }, () => FULL));
  const pipeline = await write(collector, bursts, { transport: 'udp', tplSendInterval });
  await pipeline.stop();
  await expect
    .poll(() => collector.messages.reduce((sum, { records }) => sum + records.length, 0))
    .toBe(751);
  // Templates of IPv4 and IPv6 each time.
  const templates = collector.templates() / 2;
  if (times === 1) expect(templates).toBeLessThanOrEqual(1 + collector.messages.length / 64);
  else expect(templates).toBeGreaterThanOrEqual(times + collector.messages.length / 64);
});
