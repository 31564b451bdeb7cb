import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CODE_UNKNOWN, DNS_ANSWERS_MAX, DnsMessage } from '../../../../src/codec/dns/message.ts';
import { dnsTypeName } from '../../../../src/codec/dns/types.ts';
import {
  type Answer,
  edns,
  FIRST_NAME,
  labels,
  message,
  name,
  pointer,
  Type,
} from '../../../support/codec/dns-message.ts';
import { cpuMs } from '../../../support/codec/mutations.ts';

const WWW = { name: name('www.example.com'), type: Type.A };

function read(bytes: Uint8Array): { outcome: string; message: DnsMessage } {
  const read = new DnsMessage();
  return { outcome: read.read(bytes, 0, bytes.length), message: read };
}

/** The presentation of RFC 1035 §5.1, written directly from the rules. */
function present(parts: readonly Buffer[]): string {
  if (parts.length === 0) return '.';
  return parts
    .map((part) =>
      [...part.toString('latin1')]
        .map((char) => {
          const code = char.charCodeAt(0);
          if (code <= 0x20 || code >= 0x7f) return `\\${String(code).padStart(3, '0')}`;
          return /[.\\]/.test(char) ? `\\${char}` : /[A-Z]/.test(char) ? char.toLowerCase() : char;
        })
        .join(''),
    )
    .join('.');
}

const label = fc
  .uint8Array({ minLength: 1, maxLength: 63 })
  .map((bytes): Buffer => Buffer.from(bytes));
const nameParts = fc
  .array(label, { maxLength: 20 })
  .filter((parts) => parts.reduce((sum, part) => sum + 1 + part.length, 1) <= 255);

describe('names', () => {
  test('any name comes out as its presentation', () => {
    fc.assert(
      fc.property(nameParts, fc.nat(0xffff), fc.nat(0xffff), (parts, id, type) => {
        const bytes = message(id, 0x8180, [{ name: labels(...parts), type }]);
        const { outcome, message: got } = read(bytes);
        expect([outcome, got.id, got.queryType, got.name]).toEqual([
          'whole',
          id,
          type,
          present(parts),
        ]);
      }),
    );
  });

  // Each is in the place of the question's name, at offset 12.
  test.each([
    ['ends with a pointer to itself', pointer(FIRST_NAME), 'malformed'],
    ['points forward', Buffer.concat([pointer(FIRST_NAME + 2), labels('a')]), 'malformed'],
    ['labels that lead back to themselves', loop(), 'malformed'],
    ['points into the header', pointer(5), 'malformed'],
    ['a label of 64 bytes', Buffer.concat([Buffer.of(64), Buffer.alloc(80)]), 'malformed'],
    ['256 bytes', labels(...Array(3).fill('x'.repeat(63)), 'y'.repeat(62)), 'malformed'],
    ['no end', Buffer.from([1, 97, 1, 98]), 'cut'],
    ['half a pointer', Buffer.of(0xc0), 'cut'],
  ])('%s', (_why, bytes, outcome) => {
    const whole = message(1, 0x8180, [{ name: bytes, type: Type.A }]);
    const end = outcome === 'cut' ? FIRST_NAME + bytes.length : whole.length;
    const got = new DnsMessage();
    expect(got.read(whole, 0, end)).toBe(outcome);
    expect(got.name).toBe('');
  });

  function loop(): Buffer {
    return Buffer.concat([Buffer.of(1, 97), pointer(FIRST_NAME)]);
  }
});

describe('response codes', () => {
  test.each([
    ['of the header', 0x8183, [], 3],
    ['extended', 0x8187, [edns(23)], 23],
    ['extended, none in the header', 0x8180, [edns(16)], 16],
    ['the largest', 0x818f, [edns(4095)], 4095],
    ['of the header, with EDNS', 0x8183, [edns(0)], 3],
  ])('%s', (_why, flags, additionals, code) => {
    const { outcome, message: got } = read(message(1, flags, [WWW], [], additionals));
    expect([outcome, got.code]).toEqual(['whole', code]);
  });

  test('what is of somebody else’s name is not EDNS', () => {
    const odd = { ...edns(23), name: name('a.example') };
    expect(read(message(1, 0x8187, [WWW], [], [odd])).message.code).toBe(7);
  });

  test('what is cut before EDNS has none, unless it has answers', () => {
    const v4 = { name: pointer(FIRST_NAME), type: Type.A, data: Buffer.of(192, 0, 2, 1) };
    const refusal = message(1, 0x8187, [WWW], [], [edns(23)]);
    const success = message(1, 0x8180, [WWW], [v4], [edns(0)]);
    const cut = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length - 1);
    expect(read(cut(refusal))).toMatchObject({ outcome: 'cut', message: { code: CODE_UNKNOWN } });
    expect(read(cut(success))).toMatchObject({ outcome: 'cut', message: { code: 0 } });
  });

  test('a question that stands alone is read, and one that is cut is not', () => {
    const got = new DnsMessage();
    const question = Buffer.concat([WWW.name, Buffer.of(0, 28, 0, 1)]);
    got.readQuestion(question, 0, question.length);
    expect([got.name, got.queryType]).toEqual(['www.example.com', 28]);
    got.readQuestion(question, 0, 5);
    expect([got.name, got.queryType, got.questionBytes]).toEqual(['', 0, 0]);
  });
});

describe('answers', () => {
  const address = (type: number, data: Buffer, ttlS = 60): Answer => ({
    name: pointer(FIRST_NAME),
    type,
    ttlS,
    data,
  });
  const v4 = Buffer.of(192, 0, 2, 1);
  const v6 = Buffer.from('20010db8000000000000000000000001', 'hex');
  const mapped = Buffer.from('00000000000000000000ffffc0000201', 'hex');

  test('addresses of both kinds, and the shortest time to live on the way to them', () => {
    const bytes = message(
      1,
      0x8180,
      [WWW],
      [
        address(Type.CNAME, name('other.example'), 10),
        address(Type.A, v4, 60),
        address(Type.AAAA, v6, 3600),
        address(Type.TXT, Buffer.from('\x03abc'), 30),
      ],
    );
    const { outcome, message: got } = read(bytes);
    expect(outcome).toBe('whole');
    expect(got.addressCount).toBe(2);
    expect(Buffer.from(got.addresses.subarray(0, 32))).toEqual(Buffer.concat([mapped, v6]));
    expect(got.ttlS).toBe(10);
  });

  test.each([
    ['of a wrong length', address(Type.A, Buffer.alloc(5))],
    ['of a wrong length', address(Type.AAAA, v4)],
    ['of no address', address(Type.TXT, v4)],
  ])('a record %s is not an address', (_why, answer) => {
    const { outcome, message: got } = read(message(1, 0x8180, [WWW], [answer]));
    expect([outcome, got.addressCount]).toEqual(['whole', 0]);
  });

  const named = (owner: Buffer, type: number, data: Buffer): Answer => ({
    name: owner,
    type,
    data,
  });
  const other = (last: number): Buffer => Buffer.of(192, 0, 2, last);
  const lasts = (got: DnsMessage): number[] =>
    Array.from({ length: got.addressCount }, (_, index) => got.addresses[index * 16 + 15]!);

  test.each([
    ['of another name', [named(name('evil.example'), Type.A, other(9)), address(Type.A, v4)], [1]],
    [
      'of an alias, wherever it stands',
      [
        named(name('b.example'), Type.A, other(3)),
        named(name('A.example'), Type.CNAME, name('b.EXAMPLE')),
        named(name('WWW.example.com'), Type.CNAME, name('a.example')),
        named(name('c.example'), Type.CNAME, name('d.example')),
        named(name('d.example'), Type.A, other(4)),
      ],
      [3],
    ],
    [
      'of aliases in a circle',
      [
        address(Type.CNAME, name('a.example')),
        named(name('a.example'), Type.CNAME, pointer(FIRST_NAME)),
        named(name('a.example'), Type.A, other(5)),
      ],
      [5],
    ],
    ['of a name that ends too early', [named(name('www.example'), Type.A, other(6))], []],
    ['of another class of names', [named(labels('www.example.com'), Type.A, other(7))], []],
  ])('addresses %s', (_why, answers, wanted) => {
    const { outcome, message: got } = read(message(1, 0x8180, [WWW], answers));
    expect([outcome, lasts(got)]).toEqual(['whole', wanted]);
  });

  test.each([
    ['an update', 0xa800],
    ['a notification', 0xa000],
  ])('of %s are none', (_what, flags) => {
    const { outcome, message: got } = read(message(1, flags, [WWW], [address(Type.A, v4)]));
    expect([outcome, got.name, got.addressCount]).toEqual(['whole', 'www.example.com', 0]);
  });

  test('without a question, addresses belong to nothing', () => {
    const answers = [named(name('a.example'), Type.A, v4)];
    expect(read(message(1, 0x8180, [], answers)).message.addressCount).toBe(0);
  });

  test('comparing names takes a bounded time, whatever they are', () => {
    // Names of 250 letters that differ in their last label, for each alias and each address.
    const long = (last: string): Buffer => labels(...Array(3).fill('x'.repeat(63)), last);
    const question = { name: long('end'), type: Type.A };
    const aliases = Array.from({ length: 16 }, (_, i) =>
      named(pointer(FIRST_NAME), Type.CNAME, long(`a${i}`)),
    );
    const addresses = Array.from({ length: 64 }, (_, i) => named(long(`b${i}`), Type.A, other(i)));
    const bytes = message(1, 0x8180, [question], [...aliases, ...addresses]);
    const got = new DnsMessage();
    const startMs = cpuMs();
    for (let i = 0; i < 100; i++) got.read(bytes, 0, bytes.length);
    expect(got.addressCount).toBe(0);
    expect(cpuMs() - startMs).toBeLessThan(2000);
  });

  test('a time to live beyond 31 bits is none', () => {
    const { message: got } = read(message(1, 0x8180, [WWW], [address(Type.A, v4, 0x80000000)]));
    expect(got.ttlS).toBe(0);
  });

  test('more addresses than are kept', () => {
    const many = Array.from({ length: DNS_ANSWERS_MAX + 5 }, () => address(Type.A, v4));
    const { outcome, message: got } = read(message(1, 0x8180, [WWW], many));
    expect([outcome, got.addressCount]).toEqual(['whole', DNS_ANSWERS_MAX]);
  });

  test('wherever it is cut, what came before holds', () => {
    const bytes = message(9, 0x8180, [WWW], [address(Type.A, v4), address(Type.AAAA, v6)]);
    const questionEnd = FIRST_NAME + WWW.name.length + 4;
    for (let end = 0; end < bytes.length; end++) {
      const got = new DnsMessage();
      expect(got.read(bytes, 0, end)).toBe('cut');
      expect(got.name).toBe(end >= questionEnd - 4 ? 'www.example.com' : '');
      expect(got.queryType).toBe(end >= questionEnd ? Type.A : 0);
      expect(got.addressCount).toBe(end >= questionEnd + 16 ? 1 : 0);
    }
    expect(read(bytes).outcome).toBe('whole');
  });

  test('nothing of the message before is left', () => {
    const got = new DnsMessage();
    got.read(message(9, 0x8180, [WWW], [address(Type.A, v4)]), 0, 1000);
    got.read(new Uint8Array(3), 0, 3);
    expect([got.id, got.flags, got.name, got.queryType, got.addressCount]).toEqual([
      ...[0, 0, '', 0, 0],
    ]);
  });
});

test('types by name, or by number', () => {
  expect([1, 28, 65, 257, 65_280].map(dnsTypeName)).toEqual([
    ...['A', 'AAAA', 'HTTPS', 'CAA', 'TYPE65280'],
  ]);
});

test('random bytes are read like any others', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      const { outcome, message: got } = read(bytes);
      expect(['whole', 'cut', 'malformed']).toContain(outcome);
      expect(got.name.length).toBeLessThanOrEqual(4 * 255);
      expect(got.addressCount).toBeLessThanOrEqual(DNS_ANSWERS_MAX);
    }),
  );
});
