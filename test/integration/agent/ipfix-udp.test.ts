import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { OneSetReader } from '../../support/ipfix-one-set.ts';
import { IpfixReader, type ReadMessage } from '../../support/ipfix-reader.ts';
import { startSender } from '../../support/ipfix-sender.ts';

const FLOWS = 500;

interface Arrival {
  readonly timeMs: number;
  readonly bytes: Uint8Array;
}

/** What arrives, when; nobody of it is read before the end. */
async function receive(): Promise<{ readonly port: number; readonly arrivals: Arrival[] }> {
  const socket: Socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  const arrivals: Arrival[] = [];
  socket.on('message', (bytes) => arrivals.push({ timeMs: performance.now(), bytes }));
  socket.bind(0, '127.0.0.1');
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
