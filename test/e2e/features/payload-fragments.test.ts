/** Datagrams and segments in fragments: which bytes are payload, and which are not. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { messageKind, tlsSeen } from '../../../src/agent/drain/layout.gen.ts';
import { message, name, onStream, Type } from '../../support/codec/dns-message.ts';
import { clientHello } from '../../support/codec/tls-hello.ts';
import { requireRoot } from '../../support/require.ts';
import { readStats } from '../datapath/datapath.ts';
import { EtherType, ethernet, ipv4, Proto } from '../datapath/frames.ts';
import { PayloadBed, segment } from '../datapath/payload-bed.ts';

const ETHERNET_AND_IP_BYTES = 34;
const hello = clientHello({ serverName: 'www.example', versions: [0x0304] });

let bed: PayloadBed;

/** The frame's IP packet in pieces that end at `cuts`, bytes after the IP header. */
function inFragments(frame: Buffer, cuts: readonly number[]): Buffer[] {
  const content = frame.subarray(ETHERNET_AND_IP_BYTES);
  const ends = [...cuts, content.length];
  return ends.map((end, i) => {
    const from = i === 0 ? 0 : ends[i - 1]!;
    const options = { id: 7, fragmentOffset: from / 8, moreFragments: end < content.length };
    return ethernet(EtherType.ipv4, ipv4(Proto.tcp, content.subarray(from, end), options));
  });
}

describe.skipIf(requireRoot())('segments in fragments', () => {
  beforeEach(() => {
    bed = new PayloadBed();
  });
  afterEach(() => bed[Symbol.dispose]());

  test('a hello is read as far as the first fragment goes', async () => {
    bed.run(...inFragments(segment(hello, { sequence: 5 }), [64]));
    const sent = bed.messages();
    expect(sent.map(({ kind }) => kind)).toEqual([messageKind.tls]);
    expect(sent[0]!.payload).toEqual(hello.subarray(0, 44));
    expect((await bed.tls())[0]).toBe(tlsSeen.clientHello);
  });

  test('what looks like a hello in a later fragment is none', async () => {
    const frame = segment(Buffer.concat([Buffer.alloc(44, 1), hello]));
    bed.run(...inFragments(frame, [64]));
    expect(bed.messages()).toEqual([]);
    // One segment was checked.
    expect(await bed.tls()).toEqual([0, 0, 0, 1]);
  });

  test.each([
    ['a hello’s head', 443, Buffer.of(22, 3, 1, 0, 100, 1, 0, 0)],
    ['nothing like it', 443, Buffer.of(156, 64, 1, 187, 0, 0, 0, 1)],
    ['a message’s length', 53, Buffer.of(0, 53, 0, 53, 0, 0, 0, 1)],
  ])('eight bytes of TCP’s header that are %s are no payload', async (_why, port, head) => {
    const question = message(7, 0x0100, [{ name: name('www.example'), type: Type.A }]);
    const frame = segment(port === 53 ? onStream(question) : hello, { port });
    head.copy(frame, ETHERNET_AND_IP_BYTES);
    bed.run(...inFragments(frame, [8]));
    expect(bed.messages()).toEqual([]);
    expect(await bed.queriesWaiting()).toBe(0);
    expect(readStats(bed.object).dnsUnfollowed.packets).toBe(0);
    expect(await bed.tls()).toEqual([0, 0, 0, 0]);
  });
});
