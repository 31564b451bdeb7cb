/** DNS messages and hellos that cross the borders of segments. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  messageKind,
  message as messageLayout,
  tlsSeen,
} from '../../../src/agent/drain/layout.gen.ts';
import {
  type Answer,
  FIRST_NAME,
  message,
  name,
  onStream,
  pointer,
  Type,
} from '../../support/codec/dns-message.ts';
import { clientHello, record, serverHello, ssl2Hello } from '../../support/codec/tls-hello.ts';
import { requireRoot } from '../../support/require.ts';
import { readStats } from '../datapath/datapath.ts';
import { Flag } from '../datapath/frames.ts';
import { type DnsSeen, datagram, PayloadBed, segment } from '../datapath/payload-bed.ts';

const RESPONSE = 0x8180;
const QUESTION = [{ name: name('www.example'), type: Type.A }];
const UPPER_QUESTION = [{ name: name('WWW.EXAMPLE'), type: Type.A }];
const QUESTION_BYTES = QUESTION[0]!.name.length + 4;
const ADDRESS: Answer = { name: pointer(FIRST_NAME), type: Type.A, data: Buffer.of(192, 0, 2, 1) };
const query = (id: number): Buffer => message(id, 0x0100, QUESTION);
const answer = (id: number, flags = RESPONSE): Buffer => message(id, flags, QUESTION, [ADDRESS]);

let bed: PayloadBed;

/** Segments of one direction, in order. */
class Side {
  readonly #fromServer: boolean;
  #sequence: number;

  constructor(fromServer: boolean, sequence = 1) {
    this.#fromServer = fromServer;
    this.#sequence = sequence;
  }

  begin(): void {
    this.#send(Buffer.alloc(0), Flag.syn);
    this.#sequence++;
  }

  send(...payloads: readonly Buffer[]): void {
    for (const payload of payloads) {
      this.#send(payload);
      this.#sequence = (this.#sequence + payload.length) >>> 0;
    }
  }

  /** Skips bytes that the datapath does not see. */
  skip(bytes: number): void {
    this.#sequence = (this.#sequence + bytes) >>> 0;
  }

  /** Sends earlier bytes again. */
  repeat(payload: Buffer): void {
    this.skip(-payload.length);
    this.send(payload);
  }

  #send(payload: Buffer, flags?: number): void {
    const options = { port: 53, fromServer: this.#fromServer, sequence: this.#sequence };
    bed.run(segment(payload, flags === undefined ? options : { ...options, flags }));
  }
}

async function seen(): Promise<{ queries: number; responses: DnsSeen[] }> {
  const flows = await bed.dns();
  return {
    queries: flows.reduce((sum, flow) => sum + flow.queries, 0),
    responses: flows.filter((flow) => flow.seen !== 0),
  };
}

describe.skipIf(requireRoot())('DNS over TCP', () => {
  let client: Side;
  let server: Side;

  beforeEach(() => {
    bed = new PayloadBed();
    client = new Side(false);
    server = new Side(true);
  });
  afterEach(() => bed[Symbol.dispose]());

  test.each([
    ['with its beginning seen', true],
    ['without', false],
  ])(
    'wherever a query and its answer are cut, %s',
    async (_why, isSeen) => {
      const [asked, answered] = [onStream(query(7)), onStream(answer(7))];
      for (let cut = 1; cut < answered.length; cut++) {
        bed[Symbol.dispose]();
        bed = new PayloadBed();
        [client, server] = [new Side(false, 0xffff_fff0), new Side(true, 5)];
        if (isSeen) for (const side of [client, server]) side.begin();
        const here = Math.min(cut, asked.length - 1);
        client.send(asked.subarray(0, here), asked.subarray(here));
        server.send(answered.subarray(0, cut), answered.subarray(cut));
        const { queries, responses } = await seen();
        const waiting = await bed.queriesWaiting();
        // In the middle, a query cannot be recognized if the earlier bytes are unknown.
        if (isSeen || here < 14) expect([cut, queries, waiting]).toEqual([cut, 1, 0]);
        else expect([queries, responses.length]).toEqual([0, responses.length]);
        if (isSeen) expect(responses, `${cut}`).toEqual([expect.objectContaining({ id: 7 })]);
      }
    },
    60_000,
  );

  test('all messages of a segment count and are sent, up to a limit', async () => {
    const ids = Array.from({ length: 20 }, (_, id) => id);
    client.send(Buffer.concat(ids.map((id) => onStream(query(id)))));
    expect(await bed.queriesWaiting()).toBe(20);
    server.send(Buffer.concat(ids.map((id) => onStream(answer(id)))));
    expect(await bed.queriesWaiting()).toBe(0);
    expect(await seen()).toMatchObject({ queries: 20, responses: [{ id: 19 }] });
    expect(bed.messages().map(({ payload }) => payload.readUInt16BE(0))).toEqual(ids);

    const many = Array.from({ length: 33 }, (_, id) => onStream(query(id)));
    client.send(Buffer.concat(many));
    expect((await seen()).queries).toBe(32);
    expect(readStats(bed.object).dnsUnfollowed.packets).toBe(1);
  });

  test('segments that are sent again count once; a gap is told, and got over', async () => {
    client.begin();
    const first = onStream(query(1));
    client.send(first);
    client.repeat(first);
    client.skip(100);
    client.send(onStream(query(2)));
    expect(await seen()).toMatchObject({ queries: 2, responses: [] });
    expect(readStats(bed.object).dnsUnfollowed.packets).toBe(1);
  });

  test('an answer without its length is not a query', async () => {
    server.send(answer(7));
    expect(await seen()).toEqual({ queries: 0, responses: [] });
    expect(await bed.queriesWaiting()).toBe(0);
    expect(readStats(bed.object).dnsUnfollowed.packets).toBe(1);
  });

  test('neither is a query from a DNS port, nor an answer to one', async () => {
    bed.run(datagram(query(7), true), datagram(answer(8), false));
    expect(await seen()).toEqual({ queries: 0, responses: [] });
    expect(bed.messages()).toEqual([]);
  });

  test('what cannot be a message ends what is known', async () => {
    client.begin();
    client.send(Buffer.of(0, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    client.send(onStream(query(1)));
    expect((await seen()).queries).toBe(1);
  });
});

describe.skipIf(requireRoot())('answers', () => {
  beforeEach(() => {
    bed = new PayloadBed();
  });
  afterEach(() => bed[Symbol.dispose]());

  const asked = (): number[] => bed.records().map((body) => body.readUInt16LE(messageLayout.asked));

  test('tell how much of the question was asked', () => {
    bed.run(datagram(answer(7), true));
    bed.run(datagram(query(7), false), datagram(answer(7), true), datagram(answer(7), true));
    const upper = message(8, RESPONSE, [{ name: name('WWW.Example'), type: Type.A }], [ADDRESS]);
    bed.run(datagram(query(8), false), datagram(upper, true));
    const other = message(9, RESPONSE, [{ name: name('wwx.example'), type: Type.A }], [ADDRESS]);
    bed.run(datagram(query(9), false), datagram(other, true));
    expect(asked()).toEqual([0, QUESTION_BYTES, 0, QUESTION_BYTES, 3]);
  });

  test('to another question, as anybody may send, leave the query waiting', async () => {
    const other = message(9, RESPONSE, [{ name: name('wwx.example'), type: Type.A }], [ADDRESS]);
    const longer = message(9, RESPONSE, [{ name: name('www.example.net'), type: Type.A }]);
    const type = message(9, RESPONSE, [{ name: name('www.example'), type: Type.AAAA }], [ADDRESS]);
    bed.run(datagram(query(9), false));
    bed.run(...[other, longer, type].map((payload) => datagram(payload, true)));
    expect(await bed.queriesWaiting()).toBe(1);
    const early = await bed.dns();
    expect(early.filter(({ seen }) => seen !== 0)).toMatchObject([{ latencyNs: 0n }]);
    expect(readStats(bed.object).dnsUnasked.packets).toBe(3);
    bed.run(datagram(answer(9), true));
    expect(await bed.queriesWaiting()).toBe(0);
    const [last] = await bed.dns();
    expect(last!.latencyNs).toBeGreaterThan(0n);
    expect(readStats(bed.object).dnsUnasked.packets).toBe(3);
  });

  test('whose query a flood has pushed out are counted', async () => {
    const ids = Array.from({ length: 1000 }, (_, id) => id);
    for (const id of ids) bed.run(datagram(query(id), false));
    const waiting = await bed.queriesWaiting();
    expect(waiting).toBeLessThan(ids.length);
    for (const id of ids) bed.run(datagram(answer(id), true));
    expect(readStats(bed.object).dnsUnasked.packets).toBe(ids.length - waiting);
  });

  test.each([
    ['nothing but a header', message(9, 0x8181, [])],
    ['records, and no question', message(9, RESPONSE, [], [ADDRESS])],
    ['the letters of the question in another case', message(9, RESPONSE, UPPER_QUESTION)],
  ])('of %s are to the query of their id', async (_why, payload) => {
    bed.run(datagram(query(9), false), datagram(payload, true));
    expect(await bed.queriesWaiting()).toBe(0);
  });

  test('are to the last question for which an id was used', async () => {
    const first = message(9, 0x0100, [{ name: name('slow.example'), type: Type.A }]);
    bed.run(datagram(first, false), datagram(first, false), datagram(query(9), false));
    expect(await bed.queriesWaiting()).toBe(1);
    expect(readStats(bed.object).featureLost.packets).toBe(1);
    bed.run(datagram(answer(9), true));
    expect(asked()).toEqual([QUESTION_BYTES]);
    const flows = await bed.dns();
    expect(flows.find(({ queries }) => queries > 0)).toMatchObject({ queries: 3, repeated: 1 });
    expect(await bed.queriesWaiting()).toBe(0);
  });

  test('the longest question is kept', () => {
    const longest = [...Array(3).fill('x'.repeat(63)), 'y'.repeat(61)].join('.');
    const question = [{ name: name(longest), type: Type.A }];
    bed.run(datagram(message(7, 0x0100, question), false));
    bed.run(datagram(message(7, RESPONSE, question, [ADDRESS]), true));
    expect(asked()).toEqual([259]);
  });

  test('codes are those of the last one, flags of all', async () => {
    for (const flags of [0x8580, 0xb182, 0x8181]) bed.run(datagram(answer(1, flags), true));
    expect(await bed.dns()).toEqual([expect.objectContaining({ flags: 0x8581 | 0x0100 })]);
  });
});

describe.skipIf(requireRoot())('hellos', () => {
  const hello = clientHello({ serverName: 'www.example', versions: [0x0304] });

  beforeEach(() => {
    bed = new PayloadBed();
  });
  afterEach(() => bed[Symbol.dispose]());

  function send(...payloads: readonly Buffer[]): void {
    let sequence = 0xffff_ff80;
    for (const payload of payloads) {
      bed.run(segment(payload, { sequence }));
      sequence = (sequence + payload.length) >>> 0;
    }
  }

  /** The bytes that user space would join, by sequence numbers. */
  const joined = (): Buffer => Buffer.concat(bed.messages().map(({ payload }) => payload));

  test('are sent in parts wherever they are cut, and are no other handshake', async () => {
    for (let cut = 1; cut < hello.length; cut++) {
      send(hello.subarray(0, cut), hello.subarray(cut));
      const records = bed.records();
      const heads = records.map((body) => [
        body[messageLayout.kind],
        body.readUInt32LE(messageLayout.sequence),
      ]);
      expect(heads, `cut at ${cut}`).toEqual([
        [messageKind.tls, 0xffff_ff80],
        [messageKind.tlsMore, (0xffff_ff80 + cut) >>> 0],
      ]);
      const [types] = await bed.tls();
      expect(types! & tlsSeen.otherHandshake).toBe(0);
      // Too little in the first segment: user space sees it after joining the segments.
      expect(types! & tlsSeen.clientHello).toBe(cut < 11 ? 0 : tlsSeen.clientHello);
    }
  });

  test('in several records, up to their end', async () => {
    const body = hello.subarray(5);
    const records = [body.subarray(0, 3), body.subarray(3, 60), body.subarray(60)];
    const bytes = Buffer.concat(records.map((content) => record(22, content)));
    send(bytes.subarray(0, 40), bytes.subarray(40), record(23, Buffer.alloc(40)));
    expect(joined()).toEqual(bytes);
    expect((await bed.tls())[0]).toBe(tlsSeen.appData);
  });

  test.each([
    ['in order', [0, 1, 2]],
    ['the last before the middle', [0, 2, 1]],
    ['the first sent again', [0, 0, 1, 2]],
    ['each sent again', [0, 1, 0, 1, 2, 1, 2]],
    ['the last before the middle, and the first again', [0, 2, 0, 1]],
  ])('in three segments, %s, are sent whole', async (_why, order) => {
    const cuts = [0, 60, hello.length - 9, hello.length];
    for (const part of order) {
      const sequence = (0xffff_ffc0 + cuts[part]!) >>> 0;
      bed.run(segment(hello.subarray(cuts[part], cuts[part + 1]), { sequence }));
    }
    const end = (0xffff_ffc0 + hello.length) >>> 0;
    bed.run(segment(record(23, Buffer.alloc(9)), { sequence: end }));
    const parts = bed.records().map((body) => ({
      at: (body.readUInt32LE(messageLayout.sequence) - 0xffff_ffc0) >>> 0,
      length: body.readUInt32LE(messageLayout.length),
    }));
    expect(parts).toEqual(
      order.map((part) => ({ at: cuts[part], length: cuts[part + 1]! - cuts[part]! })),
    );
    const [types, , hellos] = await bed.tls();
    expect([types, hellos]).toEqual([tlsSeen.clientHello | tlsSeen.appData, 1]);
  });

  test('segments that are sent again and again are sent up to a limit', () => {
    const head = hello.subarray(0, 60);
    for (let i = 0; i < 1000; i++) bed.run(segment(head, { sequence: 1 }));
    const bytes = joined().length;
    expect(bytes).toBeGreaterThan(hello.length);
    expect(bytes).toBeLessThan(4 * (8192 + 16_384));
  });

  test('longer than a message, in one segment', () => {
    const extensions = [Buffer.concat([Buffer.from('fafa0a00', 'hex'), Buffer.alloc(0xa00, 7)])];
    const long = clientHello({ serverName: 'www.example', extensions });
    send(long);
    expect(joined()).toEqual(long);
    expect(bed.messages()).toEqual([]);
  });

  const V2 = Buffer.concat([
    Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex'),
    Buffer.alloc(12, 9),
  ]);
  test.each([
    ['version 1', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.2 41020 443\r\n')],
    ['version 1, the shortest', Buffer.from('PROXY UNKNOWN\r\n')],
    ['version 1, the longest', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(91)}\r\n`)],
    ['version 2', V2],
  ])('behind a PROXY header of %s', async (_why, header) => {
    send(Buffer.concat([header, hello]));
    expect(joined()).toEqual(hello);
    expect(await bed.tls()).toEqual([tlsSeen.clientHello, 0, 1, 0]);
  });

  test.each([
    ['a line too long', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(92)}\r\n`)],
    ['a line with a bare end', Buffer.from('PROXY UNKNOWN  \n')],
    ['another version', Buffer.concat([V2.subarray(0, 12), Buffer.of(0x31), V2.subarray(13)])],
    ['text', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ])('not behind %s', async (_why, header) => {
    send(Buffer.concat([header, hello]));
    expect(joined()).toEqual(Buffer.alloc(0));
    expect(await bed.tls()).toEqual([0, 0, 0, 1]);
  });

  test('of clients that also know SSL 2', async () => {
    send(ssl2Hello(0x0301));
    expect(joined()).toEqual(ssl2Hello(0x0301));
    expect(await bed.tls()).toEqual([tlsSeen.clientHello, 0, 1, 0]);
    // Inconsistent lengths.
    send(Buffer.concat([Buffer.of(0x80, 0x2d), ssl2Hello(0x0301).subarray(2)]));
    expect(joined()).toEqual(Buffer.alloc(0));
  });

  test('of servers that speak drafts of TLS 1.3', async () => {
    send(serverHello({ draft: 18, cipherSuite: 0x1301 }));
    expect(await bed.tls()).toEqual([tlsSeen.serverHello, 0, 1, 0]);
  });

  test('a hello and what follows it in the same record', () => {
    const server = serverHello({ cipherSuite: 0xc02f });
    const certificate = Buffer.concat([Buffer.of(11, 0, 3, 0xe8), Buffer.alloc(1000, 5)]);
    send(record(22, Buffer.concat([server.subarray(5), certificate])));
    expect(joined().subarray(5)).toEqual(server.subarray(5));
  });
});
