import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALPN_MAX, CLIENT_HELLO, SERVER_HELLO, TlsHello } from '../../../../src/codec/tls/hello.ts';
import {
  clientHello,
  extension,
  record,
  serverHello,
  ssl2Hello,
} from '../../../support/codec/tls-hello.ts';

function read(bytes: Uint8Array): { outcome: string; hello: TlsHello } {
  const hello = new TlsHello();
  return { outcome: hello.read(bytes, 0, bytes.length), hello };
}

describe('of a client', () => {
  test('all that it says', () => {
    const bytes = clientHello({
      // GREASE, a draft, and older versions around the highest.
      versions: [0x7a7a, 0x7f1c, 0x0303, 0x0304, 0x0302],
      serverName: 'Www.Example.COM',
      alpn: [Buffer.of(0x8a, 0x8a), 'h2', 'http/1.1'],
      extensions: [extension(0x1a1a, Buffer.alloc(0))],
    });
    const { outcome, hello } = read(bytes);
    expect(outcome).toBe('whole');
    expect(hello).toMatchObject({
      kind: CLIENT_HELLO,
      version: 0x0304,
      cipherSuite: 0,
      group: 0,
      serverName: 'www.example.com',
      alpn: ['h2', 'http/1.1'],
    });
  });

  test.each([
    ['no extensions at all', clientHello({ legacyVersion: 0x0301 }), 0x0301],
    ['no list of versions', clientHello({ serverName: 'a' }), 0x0303],
    ['no version that is known', clientHello({ versions: [0x0a0a, 0x1304] }), 0x0303],
  ])('%s: its version is that of old', (_why, bytes, version) => {
    const { outcome, hello } = read(bytes);
    expect([outcome, hello.version]).toEqual(['whole', version]);
  });

  test.each([
    ['drafts', [0x0303, 0x7f17, 0x7f1a, 0x7a7a], 0x7f1a],
    ['drafts and what became of them', [0x7f1c, 0x0304, 0x7f17], 0x0304],
  ])('of %s, the best is told', (_why, versions, version) => {
    expect(read(clientHello({ versions })).hello.version).toBe(version);
  });

  test('a version of old that is none is not told', () => {
    expect(read(clientHello({ legacyVersion: 0x0a0a })).hello.version).toBe(0);
  });

  test('one that also knows SSL 2 says its version', () => {
    for (const version of [0x0300, 0x0301, 0x0303]) {
      const bytes = ssl2Hello(version);
      const { outcome, hello } = read(bytes);
      expect([outcome, hello.kind, hello.version]).toEqual(['whole', CLIENT_HELLO, version]);
      expect(read(bytes.subarray(0, 20)).outcome).toBe('cut');
    }
    expect(read(ssl2Hello(0x0002)).outcome).toBe('malformed');
  });

  test('in several records, wherever it is cut', () => {
    const whole = clientHello({ serverName: 'www.example.com', versions: [0x0304] });
    const body = whole.subarray(5);
    for (let cut = 1; cut < body.length; cut++) {
      const bytes = Buffer.concat([
        record(22, body.subarray(0, cut)),
        record(22, body.subarray(cut)),
      ]);
      const { outcome, hello } = read(bytes);
      expect([cut, outcome, hello.serverName]).toEqual([cut, 'whole', 'www.example.com']);
    }
  });

  test('names and protocols of odd bytes can be shown', () => {
    const { hello } = read(clientHello({ serverName: 'a\n\x00é', alpn: ['Ab \\'] }));
    expect(hello.serverName).toBe('a\\010\\000\\233');
    expect(hello.alpn).toEqual(['Ab\\032\\\\']);
  });

  test('more protocols than are kept', () => {
    const alpn = Array.from({ length: ALPN_MAX + 3 }, (_, index) => `p${index}`);
    expect(read(clientHello({ alpn })).hello.alpn).toEqual(alpn.slice(0, ALPN_MAX));
  });

  test('a name longer than names can be is none', () => {
    expect(read(clientHello({ serverName: 'x'.repeat(256) })).hello.serverName).toBe('');
    expect(read(clientHello({ serverName: 'x'.repeat(255) })).hello.serverName).toHaveLength(255);
  });
});

describe('of a server', () => {
  test.each([
    [
      'TLS 1.3',
      { version: 0x0304, cipherSuite: 0x1301, group: 29 },
      { version: 0x0304, cipherSuite: 0x1301, group: 29 },
    ],
    [
      'a request to try again',
      { version: 0x0304, cipherSuite: 0x1302, group: 24, keyBytes: 0 },
      { version: 0x0304, cipherSuite: 0x1302, group: 24 },
    ],
    [
      'a post-quantum key',
      { version: 0x0304, cipherSuite: 0x1302, group: 4588, keyBytes: 1120 },
      { version: 0x0304, cipherSuite: 0x1302, group: 4588 },
    ],
    ['TLS 1.2', { cipherSuite: 0xc02b }, { version: 0x0303, cipherSuite: 0xc02b, group: 0 }],
    [
      'a draft',
      { version: 0x7f1c, cipherSuite: 0x1301, group: 29 },
      { version: 0x7f1c, cipherSuite: 0x1301, group: 29 },
    ],
    [
      'an early draft, without session and compression',
      { draft: 18, cipherSuite: 0x1301, group: 29 },
      { version: 0x7f12, cipherSuite: 0x1301, group: 29 },
    ],
    [
      'values that nobody may choose',
      { version: 0x3a3a, cipherSuite: 0x0a0a, group: 0xfafa },
      { version: 0, cipherSuite: 0, group: 0 },
    ],
  ])('%s', (_why, options, wanted) => {
    const { outcome, hello } = read(serverHello(options));
    expect(outcome).toBe('whole');
    expect(hello).toMatchObject({ kind: SERVER_HELLO, serverName: '', alpn: [], ...wanted });
  });
});

test('wherever it is cut, it is cut, and what came before holds', () => {
  const bytes = clientHello({ serverName: 'www.example.com', alpn: ['h2'], versions: [0x0304] });
  const nameEnd = bytes.indexOf('www.example.com') + 'www.example.com'.length;
  for (let end = 0; end < bytes.length; end++) {
    const hello = new TlsHello();
    expect(hello.read(bytes, 0, end)).toBe('cut');
    expect(hello.serverName).toBe(end >= nameEnd ? 'www.example.com' : '');
    // The version's extension is the last one; the version at the start is that of TLS 1.2.
    expect(hello.version).toBe(0);
  }
});

test('a server’s hello that is cut tells its suite, and no version that it may not have', () => {
  const bytes = serverHello({ version: 0x0304, cipherSuite: 0x1301, group: 29 });
  const versionEnd = bytes.indexOf(Buffer.of(0, 43, 0, 2, 3, 4)) + 6;
  for (let end = 0; end < bytes.length; end++) {
    const hello = new TlsHello();
    expect(hello.read(bytes, 0, end)).toBe('cut');
    expect(hello.version).toBe(end >= versionEnd ? 0x0304 : 0);
    expect([0, 0x1301]).toContain(hello.cipherSuite);
  }
});

test('a hello of TLS 1.1 that is cut has its version: of later ones it would be another', () => {
  const hello = new TlsHello();
  const bytes = serverHello({ cipherSuite: 0xc013 });
  bytes.writeUInt16BE(0x0302, 9);
  hello.read(bytes, 0, bytes.length - 1);
  expect(hello.version).toBe(0x0302);
});

test.each([
  ['another record', record(23, Buffer.alloc(50)), 'malformed'],
  ['another handshake', record(22, Buffer.concat([Buffer.of(11), Buffer.alloc(60)])), 'malformed'],
  ['a length that ends in its middle', shortened(), 'malformed'],
])('%s', (_why, bytes, outcome) => {
  expect(read(bytes).outcome).toBe(outcome);
});

/** The hello is complete, but its own length leaves no room for its parts. */
function shortened(): Buffer {
  const bytes = clientHello({ serverName: 'www.example.com' });
  bytes.writeUIntBE(60, 6, 3);
  return bytes;
}

test('random bytes are read like any others', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.constantFrom(1, 2), (bytes, type) => {
      bytes[0] = 22;
      bytes[5] = type;
      const { outcome, hello } = read(bytes);
      expect(['whole', 'cut', 'malformed']).toContain(outcome);
      expect(hello.serverName.length).toBeLessThanOrEqual(4 * 255);
      expect(hello.alpn.length).toBeLessThanOrEqual(ALPN_MAX);
    }),
  );
});
