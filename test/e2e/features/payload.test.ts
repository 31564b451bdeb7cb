/** The datapath's results for payloads, one frame at a time. */
import { afterEach, describe, expect, test } from 'vitest';
import { dnsQuery, flowKey, messageKind } from '../../../src/agent/drain/layout.gen.ts';
import { message, name, onStream, Type } from '../../support/codec/dns-message.ts';
import { clientHello, record, serverHello } from '../../support/codec/tls-hello.ts';
import { requireRoot } from '../../support/require.ts';
import { native, readStats, shared } from '../datapath/datapath.ts';
import { datagram, PayloadBed, segment } from '../datapath/payload-bed.ts';

const RESPONSE = 0x8180;
const QUESTION = [{ name: name('www.example'), type: Type.A }];
const EINVAL = 22;

let bed: PayloadBed;

function load(ringBytes?: number): void {
  bed = new PayloadBed(ringBytes);
}

describe.skipIf(requireRoot())('payloads', () => {
  afterEach(() => bed[Symbol.dispose]());

  test('datagrams of every length, those of less than a header refused', async () => {
    load();
    for (let length = 0; length <= 1400; length += length < 600 ? 1 : 53) {
      const whole = message(length, RESPONSE, QUESTION);
      const payload = Buffer.alloc(length);
      whole.copy(payload);
      bed.run(datagram(payload, true));
      const [flow] = await bed.dns();
      const sent = bed.messages();
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
    bed.run(datagram(message(7, 0x0100, QUESTION), false));
    bed.run(datagram(message(8, 0x0100, QUESTION), false));
    expect(await bed.queriesWaiting()).toBe(2);
    bed.run(datagram(message(7, RESPONSE, QUESTION), true));
    expect(await bed.queriesWaiting()).toBe(1);
    const flows = await bed.dns();
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
    bed.run(datagram(message(7, 0x0100, QUESTION), false));
    await bed.dns();
    bed.run(datagram(message(7, RESPONSE, QUESTION), true));
    const [first] = await bed.dns();
    bed.run(datagram(message(7, RESPONSE, QUESTION), true));
    bed.run(datagram(message(7, RESPONSE | 3, QUESTION), true));
    const [second] = await bed.dns();
    expect(first?.latencyNs).toBeGreaterThan(0n);
    expect(second).toMatchObject({ latencyNs: 0n, error: 0, flags: RESPONSE | 3 });
  });

  test('a packet that passes a second hook is not a second query', async () => {
    load();
    const frame = datagram(message(7, 0x0100, QUESTION), false);
    const { tcIndex } = native.testRun(bed.object, { program: 'test_egress_l2', frame });
    native.testRun(bed.object, { program: 'test_ingress_l2', frame, tcIndex });
    expect(await bed.dns()).toEqual([
      expect.objectContaining({ queries: 1, repeated: 0, error: 0 }),
    ]);
  });

  test('a query that waits is asked again; another id is another query', async () => {
    load();
    for (const id of [7, 7, 8, 7]) bed.run(datagram(message(id, 0x0100, QUESTION), false));
    expect(await bed.dns()).toEqual([expect.objectContaining({ queries: 4, repeated: 2 })]);
    expect(await bed.queriesWaiting()).toBe(2);
  });

  const updates = message(7, 0x2800, [QUESTION[0]!, QUESTION[0]!]);

  test.each([
    ['a query', message(7, 0x0100, QUESTION), 1, 0],
    ['many questions', updates, 1, 0],
    [
      'a tunnel’s data',
      Buffer.from('0400000093a1b2c3d4e5f60718293a4b'.repeat(8), 'hex'),
      0,
      EINVAL,
    ],
    ['text', Buffer.from('GET / HTTP/1.1\r\nHost: www.example\r\n\r\n'), 0, EINVAL],
    ['an operation that nobody has', message(7, 0x7800, QUESTION), 0, EINVAL],
    ['more records than there is room for', counting(message(7, 0x0100, QUESTION), 3), 0, EINVAL],
  ])('in a datagram: %s', async (_why, payload, queries, error) => {
    load();
    bed.run(datagram(payload, false));
    expect(await bed.dns()).toEqual([expect.objectContaining({ queries, error })]);
    expect(await bed.queriesWaiting()).toBe(queries);
  });

  /** Announces this many records of EDNS and the like, although there are none. */
  function counting(bytes: Buffer, records: number): Buffer {
    bytes.writeUInt16BE(records, 10);
    return bytes;
  }

  test.each([
    ['no payload', Buffer.alloc(0), 0],
    ['the length alone', Buffer.of(0, 40), 0],
    ['the middle of a long message', Buffer.alloc(1000, 0x5a), 0],
    ['a query', onStream(message(7, 0x0100, QUESTION)), 1],
    ['two queries', twice(onStream(message(7, 0x0100, QUESTION))), 2],
  ])('on TCP: %s', async (_why, payload, queries) => {
    load();
    bed.run(segment(payload, { port: 53, optionWords: 3 }));
    expect(await bed.dns()).toEqual([expect.objectContaining({ queries, error: 0, seen: 0 })]);
  });

  function twice(bytes: Buffer): Buffer {
    return Buffer.concat([bytes, bytes]);
  }

  test('of a stream each message is sent by itself', async () => {
    load();
    const answer = message(7, RESPONSE, QUESTION);
    const sent = { kind: messageKind.dns, missing: 0, payload: answer };
    bed.run(segment(twice(onStream(answer)), { port: 53, fromServer: true }));
    expect(bed.messages()).toEqual([sent, sent]);
  });

  test('what is longer than a message is cut, and how much is missing is told', async () => {
    load();
    const answer = Buffer.concat([message(7, RESPONSE, QUESTION), Buffer.alloc(3000)]);
    bed.run(datagram(answer, true));
    const [sent] = bed.messages();
    expect(sent?.payload).toEqual(answer.subarray(0, 2048));
    expect(sent?.missing).toBe(answer.length - 2048);
  });

  test('entries are read where they are, and removed by key', async () => {
    load();
    for (let id = 0; id < 10; id++) bed.run(datagram(message(id, 0x0100, QUESTION), false));
    const keys = shared(64 * flowKey.sizeBytes);
    const values = shared(64 * dnsQuery.sizeBytes);
    expect(await native.readEntries(bed.object, 'dns_queries', keys, values)).toBe(10);
    expect(await native.readEntries(bed.object, 'dns_queries', keys, values)).toBe(10);
    // One of them twice: the second time it is gone.
    const some = Buffer.concat([keys.subarray(0, 160), keys.subarray(0, 40)]);
    expect(await native.removeEntries(bed.object, 'dns_queries', some)).toBe(4);
    expect(await bed.queriesWaiting()).toBe(6);
  });

  test('a ring that fills up asks to be read; what finds no room is counted', async () => {
    load(4096);
    const answer = message(7, RESPONSE, QUESTION);
    // With its header and the record's, each takes 272 of 4096 bytes.
    for (let i = 1; i <= 20; i++) {
      bed.run(datagram(answer, true));
      expect(bed.messages('messages_wake').length, `after ${i}`).toBe(i === 8 ? 1 : 0);
    }
    expect(bed.messages('wake')).toEqual([]);
    const sent = bed.messages();
    expect(sent).toHaveLength(15);
    expect(readStats(bed.object).messagesLost).toEqual({ packets: 5, bytes: 5 * answer.length });
    bed.run(datagram(answer, true));
    expect(bed.messages()).toHaveLength(1);
    expect(bed.messages('messages_wake')).toEqual([]);
  });

  test('hellos are sent as they are, all that the segment has of them', async () => {
    load();
    const hello = clientHello({ serverName: 'www.example' });
    bed.run(segment(hello, { optionWords: 8 }));
    bed.run(segment(hello.subarray(0, 100)));
    expect(bed.messages().map(({ kind, payload }) => [kind, payload])).toEqual([
      [messageKind.tls, hello],
      [messageKind.tls, hello.subarray(0, 100)],
    ]);
    expect(await bed.tls()).toEqual([1, 0, 2, 0]);
  });

  test('all records of a segment are seen', async () => {
    load();
    const hello = serverHello({ version: 0x0304, cipherSuite: 0x1301, group: 29 });
    const flight = [hello, record(20, Buffer.of(1)), record(23, Buffer.alloc(900))];
    bed.run(segment(Buffer.concat(flight)));
    expect(await bed.tls()).toEqual([2 | 8 | 32, 1, 1, 0]);
    expect(bed.messages().map(({ payload }) => payload)).toEqual([hello]);
  });

  test('a flow that is known is not looked at again', async () => {
    load();
    bed.run(segment(record(23, Buffer.alloc(100))));
    bed.run(segment(clientHello()));
    bed.run(segment(record(21, Buffer.alloc(2))));
    expect(await bed.tls()).toEqual([32, 1, 0, 0]);
    expect(bed.messages()).toEqual([]);
  });

  test('neither is one that has long shown nothing of TLS', async () => {
    load();
    for (let i = 0; i < 20; i++) bed.run(segment(Buffer.from('GET / HTTP/1.1\r\n\r\n')));
    bed.run(segment(clientHello()));
    expect(await bed.tls()).toEqual([0, 1, 0, 16]);
  });

  test('a peer that says nothing but hello is heard four times', async () => {
    load();
    for (let i = 0; i < 10; i++) bed.run(segment(clientHello()));
    expect(await bed.tls()).toEqual([1, 0, 4, 0]);
    expect(bed.messages()).toHaveLength(4);
  });

  test.each([
    ['encrypted handshakes', record(22, Buffer.alloc(40, 1)), 4],
    ['a record of SSL 2', Buffer.from('80460103010030', 'hex'), 0],
    ['a length beyond the limit', Buffer.from('1703037fff00', 'hex'), 0],
    ['a version that does not exist', Buffer.from('170306001000', 'hex'), 0],
    ['an alert', record(21, Buffer.of(2, 40)), 16],
    ['a change of ciphers', record(20, Buffer.of(1)), 8],
    ['one that is too long', record(20, Buffer.alloc(20, 1)), 0],
    ['text', Buffer.from('220 mail.example ESMTP\r\n'), 0],
  ])('%s', async (_why, payload, types) => {
    load();
    bed.run(segment(payload));
    expect(await bed.tls()).toEqual([types, 0, 0, types === 0 ? 1 : 0]);
  });
});
