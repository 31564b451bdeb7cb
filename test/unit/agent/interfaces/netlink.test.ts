import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeNetlink, encodeDump } from '../../../../src/agent/interfaces/netlink.ts';
import {
  addressMessage,
  attribute,
  doneMessage,
  errorMessage,
  linkMessage,
  message,
} from '../../../support/kernel/netlink-messages.ts';

const ETH0 = { index: 2, name: 'eth0', type: 1, up: true };

describe('decodeNetlink', () => {
  test('a link with its address', () => {
    const bytes = linkMessage({ ...ETH0, mac: [2, 0, 0, 0, 0, 255] });
    expect(decodeNetlink(bytes)).toEqual([
      {
        sequence: 0,
        dumped: false,
        interrupted: false,
        event: {
          kind: 'link',
          ...ETH0,
          mac: '02:00:00:00:00:ff',
          peer: -1,
          driver: '',
          link: 0,
          master: 0,
        },
      },
    ]);
  });

  test('several messages in one datagram, the last of a dump', () => {
    const bytes = Buffer.concat([
      linkMessage({ ...ETH0, sequence: 7 }),
      linkMessage({ index: 3, name: 'tun0', type: 0xfffe, up: false, sequence: 7 }),
      doneMessage(7),
    ]);
    const messages = decodeNetlink(bytes);
    expect(messages.map(({ event }) => event.kind)).toEqual(['link', 'link', 'done']);
    expect(messages.every(({ sequence, dumped }) => sequence === 7 && dumped)).toBe(true);
  });

  test('addresses: own rather than peer, both families as 16 bytes', () => {
    const v4 = decodeNetlink(
      addressMessage({ index: 2, local: [10, 0, 0, 1], peer: [10, 0, 0, 2] }),
    );
    expect(v4[0]?.event).toEqual({
      kind: 'address',
      index: 2,
      bytes: Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1]),
    });
    const local = [0xfd, ...Array<number>(14).fill(0), 1];
    const v6 = decodeNetlink(addressMessage({ index: 2, local, gone: true }));
    expect(v6[0]?.event).toEqual({
      kind: 'address-gone',
      index: 2,
      bytes: Uint8Array.from(local),
    });
  });

  test('a port that leaves a bridge is not an interface that is gone', () => {
    expect(decodeNetlink(linkMessage({ ...ETH0, gone: true, family: 7 }))).toEqual([]);
    expect(decodeNetlink(linkMessage({ ...ETH0, gone: true }))[0]?.event.kind).toBe('link-gone');
  });

  test('an interrupted dump, a refusal, and kinds that do not matter', () => {
    expect(decodeNetlink(doneMessage(1, true))[0]?.interrupted).toBe(true);
    expect(decodeNetlink(errorMessage(1, 95))[0]?.event).toEqual({ kind: 'error', errno: 95 });
    expect(decodeNetlink(message(4, 0, 0, []))[0]?.event).toEqual({ kind: 'overrun' });
    expect(decodeNetlink(message(24, 0, 0, [new Uint8Array(12)]))).toEqual([]);
  });

  test('a wireless event, which carries no name, changes nothing', () => {
    const body = new Uint8Array(16);
    expect(decodeNetlink(message(16, 0, 0, [body, attribute(11, Uint8Array.of(1))]))).toEqual([]);
  });

  test('a length beyond the datagram is a coded error', () => {
    const bytes = linkMessage(ETH0);
    expect(() => decodeNetlink(bytes.subarray(0, bytes.length - 4))).toThrow(
      expect.objectContaining({ code: 'ERR_AGENT_NETLINK' }),
    );
  });

  test('what was written is what is read', () => {
    const links = fc.record({
      index: fc.integer({ min: 1, max: 2 ** 30 }),
      name: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 15 }),
      type: fc.integer({ min: 0, max: 0xffff }),
      up: fc.boolean(),
      peer: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      driver: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 15 }),
      link: fc.integer({ min: 0, max: 2 ** 30 }),
      master: fc.integer({ min: 0, max: 2 ** 30 }),
      sequence: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    });
    fc.assert(
      fc.property(fc.array(links, { maxLength: 5 }), (list) => {
        const messages = decodeNetlink(Buffer.concat(list.map(linkMessage)));
        expect(messages.map(({ sequence, event }) => ({ sequence, event }))).toEqual(
          list.map(({ sequence, ...link }) => ({
            sequence,
            event: { kind: 'link', ...link, mac: '' },
          })),
        );
      }),
    );
  });
});

test('a dump is requested in the kernel’s layout', () => {
  expect([...encodeDump('links', 5)]).toEqual([
    ...[32, 0, 0, 0, 18, 0, 1, 3, 5, 0, 0, 0, 0, 0, 0, 0],
    ...Array<number>(16).fill(0),
  ]);
  expect(encodeDump('addresses', 1)[4]).toBe(22);
});

test('a name has nothing in it that a terminal acts on', () => {
  const name = 'e\u001b[2J\u202e';
  const [message] = decodeNetlink(linkMessage({ index: 1, name, type: 1, up: true }));
  expect(message?.event).toMatchObject({ name: 'e\ufffd[2J\ufffd' });
});
