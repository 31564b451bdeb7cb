import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { IpfixReader, type ReadMessage } from '../../support/codec/ipfix-reader.ts';
import { startSender } from '../../support/net/ipfix-sender.ts';

/** The messages of one connection. */
interface Session {
  readonly socket: Socket;
  readonly messages: ReadMessage[];
}

/** Reads IPFIX from TCP as described in RFC 7011, section 10.4: messages one behind the other. */
class TcpCollector implements AsyncDisposable {
  readonly sessions: Session[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#read(socket));
  }

  static async start(port = 0): Promise<TcpCollector> {
    const server = createServer();
    const collector = new TcpCollector(server);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return collector;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Source ports of all flows, which are their numbers from 1024 on. */
  get flows(): readonly number[] {
    const messages = this.sessions.flatMap((session) => session.messages);
    const records = messages.flatMap(({ records }) => records);
    return records.map((record) => Number(record.get('7')) - 1024).sort((a, b) => a - b);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.sessions) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #read(socket: Socket): void {
    const session: Session = { socket, messages: [] };
    const reader = new IpfixReader();
    this.sessions.push(session);
    let rest = Buffer.alloc(0);
    socket.on('data', (piece) => {
      rest = Buffer.concat([rest, piece]);
      while (rest.length >= 4 && rest.length >= rest.readUInt16BE(2)) {
        const length = rest.readUInt16BE(2);
        session.messages.push(reader.read(rest.subarray(0, length)));
        rest = rest.subarray(length);
      }
    });
    socket.on('error', () => undefined);
  }
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** Templates first and only once, then records whose sequence numbers have no gaps. */
function expectSession({ messages }: Session): void {
  expect(messages.map(({ sets }) => sets.includes(2))).toEqual(messages.map((_, i) => i < 2));
  let records = 0;
  for (const message of messages) {
    expect(message).toMatchObject({ sequence: records, domain: 1 });
    records += message.records.length;
  }
}

test('templates once, then every flow in messages of many', async () => {
  await using collector = await TcpCollector.start();
  const { exporter, emit, value } = await startSender('tcp', collector.port);
  for (let from = 0; from < 12_000; from += 4000) expect(emit(from, from + 4000)).toBe(true);
  await exporter.stop();
  await expect.poll(() => collector.flows.length, { timeout: 10_000 }).toBe(12_000);
  expect(collector.flows).toEqual(upTo(12_000));
  expect(collector.sessions).toHaveLength(1);
  expectSession(collector.sessions[0]!);
  expect(collector.sessions[0]!.messages.length).toBeLessThan(70);
  expect(await value('exporter_sent_flows_total')).toBe(12_000);
});

test('a collector that comes back gets what waited for it, with its templates', async () => {
  const first = await TcpCollector.start();
  const { port } = first;
  const { exporter, emit, value } = await startSender('tcp', port);
  expect(emit(0, 4000)).toBe(true);
  await expect.poll(() => first.flows.length, { timeout: 10_000 }).toBe(4000);
  const closed = once(first.sessions[0]!.socket, 'close');
  await first[Symbol.asyncDispose]();
  await closed;
  // By then its end of the connection has reached us.
  await expect.poll(() => value('exporter_spool_messages')).toBe(0);

  expect(emit(4000, 8000)).toBe(true);
  await expect.poll(() => value('exporter_retries_total'), { timeout: 10_000 }).toBeGreaterThan(0);
  await using second = await TcpCollector.start(port);
  await expect.poll(() => exporter.backlog().flows, { timeout: 20_000 }).toBe(0);
  await exporter.stop();
  await expect.poll(() => second.flows.length, { timeout: 10_000 }).toBe(4000);
  expect(second.flows).toEqual(upTo(4000).map((index) => index + 4000));
  expectSession(second.sessions.at(-1)!);
  expect(await value('exporter_sent_flows_total')).toBe(8000);
});

test('a collector that does not read fills the spool, and nobody waits for it', async () => {
  await using collector = await TcpCollector.start();
  const { exporter, emit, value } = await startSender('tcp', collector.port, {
    BUFFERS_LENGTH: '4',
  });
  expect(emit(0, 1)).toBe(true);
  await expect.poll(() => collector.sessions.length, { timeout: 10_000 }).toBe(1);
  const { socket } = collector.sessions[0]!;
  socket.pause();
  let taken = 1;
  let slowestMs = 0;
  // The kernel's buffers on both sides take some batches before the spool fills.
  for (let isTaken = true; isTaken; ) {
    const startMs = performance.now();
    isTaken = emit(taken, taken + 2000);
    slowestMs = Math.max(slowestMs, performance.now() - startMs);
    if (isTaken) taken += 2000;
    await new Promise((resolve) => setImmediate(resolve));
  }
  // The collector reads only after this loop: a sender that waits for it would never return.
  expect(slowestMs).toBeLessThan(20_000);
  expect(exporter.backlog().flows).toBeGreaterThan(0);
  socket.resume();
  await expect.poll(() => exporter.backlog().flows, { timeout: 20_000 }).toBe(0);
  await exporter.stop();
  const received = (): number =>
    collector.sessions[0]!.messages.reduce((sum, { records }) => sum + records.length, 0);
  await expect.poll(received, { timeout: 10_000 }).toBe(taken);
  expectSession(collector.sessions[0]!);
  expect(await value('exporter_sent_flows_total')).toBe(taken);
});
