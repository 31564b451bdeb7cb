import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { IpfixBurst } from '../../../src/deliver/encoders/ipfix.ts';
import { IpfixUdp } from '../../../src/deliver/targets/ipfix.ts';
import { LOOK_UP_PERIOD_MS } from '../../../src/net/udp/peer-address.ts';
import { OneSetReader } from '../../support/codec/ipfix-one-set.ts';
import { IpfixReader, type ReadMessage } from '../../support/codec/ipfix-reader.ts';
import { startSender } from '../../support/net/ipfix-sender.ts';

const FLOWS = 500;

interface Arrival {
  readonly timeMs: number;
  readonly bytes: Uint8Array;
}

/** Arriving datagrams with their times; nobody reads them before the end. */
async function receive(
  address = '127.0.0.1',
  atPort = 0,
): Promise<{ readonly port: number; readonly arrivals: Arrival[] }> {
  const socket: Socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  const arrivals: Arrival[] = [];
  socket.on('message', (bytes) => arrivals.push({ timeMs: performance.now(), bytes }));
  socket.bind(atPort, address);
  await once(socket, 'listening');
  return { port: socket.address().port, arrivals };
}

async function sendAll(env: Readonly<Record<string, string>>): Promise<readonly Arrival[]> {
  const { port, arrivals } = await receive();
  const { exporter, emit, value } = await startSender('udp', port, env);
  expect(emit(0, FLOWS)).toBe(true);
  await exporter.stop();
  expect(await value('exporter_sent_flows_total')).toBe(FLOWS);
  const flows = () =>
    readAll(arrivals)
      .filter(isFlows)
      .flatMap(({ records }) => records).length;
  await expect.poll(flows).toBe(FLOWS);
  return arrivals;
}

function readAll(arrivals: readonly Arrival[]): readonly ReadMessage[] {
  const reader = new IpfixReader();
  return arrivals.map(({ bytes }) => reader.read(bytes));
}

const isFlows = ({ sets: [set] }: ReadMessage): boolean => set === 256 || set === 257;

test('readers of one set, one template and 1024 bytes at a time have every flow', async () => {
  const reader = new OneSetReader();
  const records = (await sendAll({})).flatMap(({ bytes }) => reader.read(bytes));
  expect(records).toHaveLength(FLOWS);
});

test('templates are there long before the first flows, for collectors that decode in parallel', async () => {
  const arrivals = await sendAll({ SAMPLING: '10' });
  const messages = readAll(arrivals);
  const first = messages.findIndex(isFlows);
  expect(messages.slice(0, first).map(({ sets }) => sets)).toEqual([[2], [2], [3], [258]]);
  expect(arrivals[first]!.timeMs - arrivals[first - 1]!.timeMs).toBeGreaterThan(50);
});

test('sequence numbers count all data records, those of options included', async () => {
  const messages = readAll(await sendAll({ SAMPLING: '10' }));
  let records = 0;
  for (const message of messages) {
    expect(message.sequence).toBe(records);
    records += message.records.length;
  }
  const options = messages.filter(({ sets: [set] }) => set === 258);
  expect(records).toBe(FLOWS + options.length);
});

test('the rate is told without options, too, and can be kept out of them', async () => {
  const messages = readAll(await sendAll({ SAMPLING: '10', IPFIX_OPTIONS: 'false' }));
  expect(messages.flatMap(({ sets }) => sets)).not.toContain(3);
});

test('a collector whose name leads elsewhere gets templates and flows there', async () => {
  const { port, arrivals: before } = await receive();
  const { arrivals: after } = await receive('127.0.0.2', port);
  let address = '127.0.0.1';
  let passedMs = 0;
  const message = (set: number) => {
    const bytes = new Uint8Array(20);
    new DataView(bytes.buffer).setUint16(16, set);
    return { bytes, records: set === 2 ? 0 : 1, packets: 1, octets: 1 };
  };
  const transport = new IpfixUdp({
    ...{ host: 'collector.example', port, log: pino({ level: 'silent' }) },
    preamble: () => [message(2)],
    clock: { ...systemClock, monotonicMs: () => performance.now() + passedMs },
    lookUp: async () => [address],
  });
  onTestFinished(() => transport.close());
  const send = () => {
    const amount = { flows: 1, packets: 1, bytes: 1 };
    const burst = { messages: [message(256)], sent: 0, amount, bytes: new Uint8Array(0) };
    return transport.send(burst satisfies IpfixBurst, new AbortController().signal);
  };
  const sequences = (arrivals: readonly Arrival[]) =>
    arrivals.map(({ bytes }) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      return [view.getUint16(16), view.getUint32(8)];
    });

  await send();
  address = '127.0.0.2';
  await send();
  passedMs = LOOK_UP_PERIOD_MS;
  // Sent to the old address while the name is being resolved.
  await send();
  await send();
  await expect
    .poll(() => sequences(after))
    .toEqual([
      [2, 0],
      [256, 0],
    ]);
  const flows = sequences(before).filter(([set]) => set === 256);
  expect(flows).toEqual([
    [256, 0],
    [256, 1],
    [256, 2],
  ]);
});
