/** What the datapath makes of payloads, one frame at a time. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  config as configLayout,
  dnsMetrics,
  flowKey,
  messageKind,
  message as messageLayout,
  tlsMetrics,
} from '../../../src/agent/drain/layout.gen.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { message, name, onStream, Type } from '../../support/dns-message.ts';
import { requireRoot } from '../../support/require.ts';
import { clientHello, record, serverHello } from '../../support/tls-hello.ts';
import { loadDatapath, native, readStats, TEST_HOOKS, takeFlows } from '../datapath/datapath.ts';
import { EtherType, ethernet, Flag, ipv4, Proto, tcp, udp } from '../datapath/frames.ts';

const CLIENT = [10, 0, 0, 1];
const SERVER = [10, 0, 0, 2];
const RESPONSE = 0x8180;
const QUESTION = [{ name: name('www.example'), type: Type.A }];
const EINVAL = 22;

let object: BpfObject;

function load(ringBytes = 1 << 20): void {
  object = loadDatapath({
    object: 'flows_test',
    programs: TEST_HOOKS,
    extensions: [
      { at: 'dnsAt', sizeBytes: dnsMetrics.sizeBytes },
      { at: 'tlsAt', sizeBytes: tlsMetrics.sizeBytes },
    ],
    configure: (view) => view.setUint16(configLayout.dnsPort, 53, true),
    maxEntries: { messages: ringBytes, dns_queries: 64 },
  });
}

function run(frame: Buffer): void {
  native.testRun(object, { program: 'test_ingress_l2', frame });
}

function datagram(payload: Buffer, fromServer: boolean): Buffer {
  const [source, target] = fromServer ? [53, 40_000] : [40_000, 53];
  const packet = udp(payload.length, source, target);
  payload.copy(packet, 8);
  const ends = fromServer ? { source: SERVER, target: CLIENT } : { source: CLIENT, target: SERVER };
  return ethernet(EtherType.ipv4, ipv4(Proto.udp, packet, ends));
}

function segment(payload: Buffer, port = 443, optionWords = 0): Buffer {
  const packet = Buffer.concat([tcp(Flag.ack | Flag.psh, 0, optionWords), payload]);
  packet.writeUInt16BE(port, 2);
  return ethernet(EtherType.ipv4, ipv4(Proto.tcp, packet));
}

interface Seen {
  readonly latencyNs: bigint;
  readonly queries: number;
  readonly repeated: number;
  readonly id: number;
  readonly flags: number;
  readonly error: number;
  readonly seen: number;
}

async function dns(): Promise<Seen[]> {
  return (await takeFlows(object)).map(({ extensions }) => ({
    latencyNs: extensions.readBigUInt64LE(dnsMetrics.latencyNs),
    queries: extensions.readUInt32LE(dnsMetrics.queries),
    repeated: extensions.readUInt32LE(dnsMetrics.repeated),
    id: extensions.readUInt16LE(dnsMetrics.id),
    flags: extensions.readUInt16LE(dnsMetrics.flags),
    error: extensions.readUInt16LE(dnsMetrics.error),
    seen: extensions[dnsMetrics.seen]!,
  }));
}

async function tls(): Promise<number[]> {
  const [flow] = await takeFlows(object);
  const at = dnsMetrics.sizeBytes;
  const { types, known, hellos, misses } = tlsMetrics;
  return [types, known, hellos, misses].map((offset) => flow!.extensions[at + offset]!);
}

interface Sent {
  readonly kind: number;
  readonly missing: number;
  readonly payload: Buffer;
}

function messages(map = 'messages'): Sent[] {
  const buffer = Buffer.alloc(1 << 20);
  const used = native.readRing(object, map, buffer, 4096);
  const found: Sent[] = [];
  for (let at = 0; at < used; ) {
    const length = buffer.readUInt32LE(at);
    const body = buffer.subarray(at + 8, at + 8 + length);
    at += 8 + ((length + 7) & ~7);
    const from = messageLayout.sizeBytes;
    found.push({
      kind: body[messageLayout.kind]!,
      missing: body.length < from ? 0 : body.readUInt32LE(messageLayout.missing),
      payload: body.subarray(
        from,
        from + (body.length < from ? 0 : body.readUInt32LE(messageLayout.length)),
      ),
    });
  }
  return found;
}

async function queriesWaiting(): Promise<number> {
  const keys = Buffer.alloc(64 * flowKey.sizeBytes);
  return native.readEntries(object, 'dns_queries', keys, Buffer.alloc(64 * 8));
}

describe.skipIf(requireRoot())('payloads', () => {
  afterEach(() => native.close(object));

  test('datagrams of every length, those of less than a header refused', async () => {
    load();
    for (let length = 0; length <= 1400; length += length < 600 ? 1 : 53) {
      const whole = message(length, RESPONSE, QUESTION);
      const payload = Buffer.alloc(length);
      whole.copy(payload);
      run(datagram(payload, true));
      const [flow] = await dns();
      const sent = messages();
      if (length < 12) {
        expect(flow, `${length} bytes`).toMatchObject({ error: EINVAL, seen: 2, id: 0 });
        expect(sent).toEqual([]);
      } else {
        expect(flow, `${length} bytes`).toMatchObject({ error: 0, seen: 1, id: length });
        expect(sent).toEqual([{ kind: messageKind.dns, missing: 0, payload }]);
      }
    }
  });

  test('an answer takes its query away and tells the time in between', async () => {
    load();
    run(datagram(message(7, 0x0100, QUESTION), false));
    run(datagram(message(8, 0x0100, QUESTION), false));
    expect(await queriesWaiting()).toBe(2);
    run(datagram(message(7, RESPONSE, QUESTION), true));
    expect(await queriesWaiting()).toBe(1);
    const flows = await dns();
    expect(flows).toHaveLength(2);
    expect(flows.find((flow) => flow.queries > 0)).toMatchObject({
      queries: 2,
      repeated: 0,
      seen: 0,
    });
    const response = flows.find((flow) => flow.queries === 0)!;
    expect(response).toMatchObject({ id: 7, flags: RESPONSE, error: 0 });
    expect(Number(response.latencyNs)).toBeGreaterThan(0);
    expect(Number(response.latencyNs)).toBeLessThan(1e9);
  });

  test('an answer that comes twice, or to nobody, leaves the latency as it is', async () => {
    load();
    run(datagram(message(7, 0x0100, QUESTION), false));
    await dns();
    run(datagram(message(7, RESPONSE, QUESTION), true));
    const [first] = await dns();
    run(datagram(message(7, RESPONSE, QUESTION), true));
    run(datagram(message(7, RESPONSE | 3, QUESTION), true));
    const [second] = await dns();
    expect(first?.latencyNs).toBeGreaterThan(0n);
    expect(second).toMatchObject({ latencyNs: 0n, error: 0, flags: RESPONSE | 3 });
  });

  test('a packet that passes a second hook is not a second query', async () => {
    load();
    const frame = datagram(message(7, 0x0100, QUESTION), false);
    const { tcIndex } = native.testRun(object, { program: 'test_egress_l2', frame });
    native.testRun(object, { program: 'test_ingress_l2', frame, tcIndex });
    expect(await dns()).toEqual([expect.objectContaining({ queries: 1, repeated: 0, error: 0 })]);
  });

  test('a query that waits is asked again; another id is another query', async () => {
    load();
    for (const id of [7, 7, 8, 7]) run(datagram(message(id, 0x0100, QUESTION), false));
    expect(await dns()).toEqual([expect.objectContaining({ queries: 4, repeated: 2 })]);
    expect(await queriesWaiting()).toBe(2);
  });

  test.each([
    ['no payload', Buffer.alloc(0), 0],
    ['the length alone', Buffer.of(0, 40), 0],
    ['the middle of a long message', Buffer.alloc(1000, 0x5a), 0],
    ['a query', onStream(message(7, 0x0100, QUESTION)), 1],
    ['two queries, of which the first counts', twice(onStream(message(7, 0x0100, QUESTION))), 1],
  ])('on TCP: %s', async (_why, payload, queries) => {
    load();
    run(segment(payload, 53, 3));
    expect(await dns()).toEqual([expect.objectContaining({ queries, error: 0, seen: 0 })]);
  });

  function twice(bytes: Buffer): Buffer {
    return Buffer.concat([bytes, bytes]);
  }

  test('of a stream only the message is sent, without what follows it', async () => {
    load();
    const answer = message(7, RESPONSE, QUESTION);
    run(segment(twice(onStream(answer)), 53));
    expect(messages()).toEqual([{ kind: messageKind.dns, missing: 0, payload: answer }]);
  });

  test('what is longer than a message is cut, and how much is missing is told', async () => {
    load();
    const answer = Buffer.concat([message(7, RESPONSE, QUESTION), Buffer.alloc(3000)]);
    run(datagram(answer, true));
    const [sent] = messages();
    expect(sent?.payload).toEqual(answer.subarray(0, 2048));
    expect(sent?.missing).toBe(answer.length - 2048);
  });

  test('entries are read where they are, and removed by key', async () => {
    load();
    for (let id = 0; id < 10; id++) run(datagram(message(id, 0x0100, QUESTION), false));
    const keys = Buffer.alloc(64 * flowKey.sizeBytes);
    const values = Buffer.alloc(64 * 8);
    expect(await native.readEntries(object, 'dns_queries', keys, values)).toBe(10);
    expect(await native.readEntries(object, 'dns_queries', keys, values)).toBe(10);
    // One of them twice: the second time it is gone.
    const some = Buffer.concat([keys.subarray(0, 160), keys.subarray(0, 40)]);
    expect(await native.removeEntries(object, 'dns_queries', some)).toBe(4);
    expect(await queriesWaiting()).toBe(6);
  });

  test('a ring that fills up asks to be read; what finds no room is counted', async () => {
    load(4096);
    const answer = message(7, RESPONSE, QUESTION);
    // With its head and the record's, each takes 264 of 4096 bytes.
    for (let i = 1; i <= 20; i++) {
      run(datagram(answer, true));
      expect(messages('wake').length, `after ${i}`).toBe(i > 7 ? 1 : 0);
    }
    const sent = messages();
    expect(sent).toHaveLength(15);
    expect(readStats(object).messagesLost).toEqual({ packets: 5, bytes: 5 * answer.length });
    run(datagram(answer, true));
    expect(messages()).toHaveLength(1);
    expect(messages('wake')).toEqual([]);
  });

  test('hellos are sent as they are, all that the segment has of them', async () => {
    load();
    const hello = clientHello({ serverName: 'www.example' });
    run(segment(hello, 443, 8));
    run(segment(hello.subarray(0, 100)));
    expect(messages().map(({ kind, payload }) => [kind, payload])).toEqual([
      [messageKind.tls, hello],
      [messageKind.tls, hello.subarray(0, 100)],
    ]);
    expect(await tls()).toEqual([1, 0, 2, 0]);
  });

  test('all records of a segment are seen', async () => {
    load();
    const hello = serverHello({ version: 0x0304, cipherSuite: 0x1301, group: 29 });
    const flight = [hello, record(20, Buffer.of(1)), record(23, Buffer.alloc(900))];
    run(segment(Buffer.concat(flight)));
    expect(await tls()).toEqual([2 | 8 | 32, 1, 1, 0]);
    expect(messages().map(({ payload }) => payload)).toEqual([hello]);
  });

  test('a flow that is known is not looked at again', async () => {
    load();
    run(segment(record(23, Buffer.alloc(100))));
    run(segment(clientHello()));
    run(segment(record(21, Buffer.alloc(2))));
    expect(await tls()).toEqual([32, 1, 0, 0]);
    expect(messages()).toEqual([]);
  });

  test('neither is one that has long shown nothing of TLS', async () => {
    load();
    for (let i = 0; i < 20; i++) run(segment(Buffer.from('GET / HTTP/1.1\r\n\r\n')));
    run(segment(clientHello()));
    expect(await tls()).toEqual([0, 1, 0, 16]);
  });

  test('a peer that says nothing but hello is heard four times', async () => {
    load();
    for (let i = 0; i < 10; i++) run(segment(clientHello()));
    expect(await tls()).toEqual([1, 0, 4, 0]);
    expect(messages()).toHaveLength(4);
  });

  test.each([
    ['encrypted handshakes', record(22, Buffer.alloc(40, 1)), 4],
    ['a record of SSL 2', Buffer.from('80460103010030', 'hex'), 0],
    ['a length beyond the limit', Buffer.from('1703037fff00', 'hex'), 0],
    ['a version that does not exist', Buffer.from('170306001000', 'hex'), 0],
    ['an alert', record(21, Buffer.of(2, 40)), 16],
    ['text', Buffer.from('220 mail.example ESMTP\r\n'), 0],
  ])('%s', async (_why, payload, types) => {
    load();
    run(segment(payload));
    expect(await tls()).toEqual([types, 0, 0, types === 0 ? 1 : 0]);
  });
});
