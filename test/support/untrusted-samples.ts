import { DnsMessage } from '../../src/codec/dns/message.ts';
import { TlsHello } from '../../src/codec/tls/hello.ts';
import { FIRST_NAME, labels, message, name, pointer, Type } from './dns-message.ts';
import { clientHello, serverHello } from './tls-hello.ts';

/** What mutations are made of, and how what was read becomes text. */

const question = { name: name('www.example.com'), type: Type.A };

export const DNS_SAMPLES: readonly Uint8Array[] = [
  message(1, 0x8180, [question]),
  message(2, 0x8183, [{ name: labels('x'.repeat(63), 'y'.repeat(63)), type: 65 }]),
  message(
    3,
    0x8180,
    [question],
    [
      { name: pointer(FIRST_NAME), type: Type.CNAME, data: Buffer.from('0161c010', 'hex') },
      { name: pointer(FIRST_NAME + 4), type: Type.A, data: Buffer.of(192, 0, 2, 1) },
      { name: name('a.b'), type: Type.AAAA, data: Buffer.alloc(16, 7) },
    ],
  ),
  message(4, 0x8180, [{ name: Buffer.concat([labels('a').subarray(0, 2), pointer(0)]), type: 1 }]),
];

export const HELLO_SAMPLES: readonly Uint8Array[] = [
  clientHello({ serverName: 'www.example.com', alpn: ['h2', 'http/1.1'], versions: [0x0304] }),
  clientHello({ legacyVersion: 0x0301 }),
  serverHello({ version: 0x0304, cipherSuite: 0x1301, group: 29 }),
  serverHello({ cipherSuite: 0xc02b }),
];

export function dnsReader(): (bytes: Uint8Array, from: number, to: number) => string {
  const read = new DnsMessage();
  return (bytes, from, to) => {
    const outcome = read.read(bytes, from, to);
    const { id, flags, name, queryType, addressCount, addresses, ttlS } = read;
    const last = addressCount === 0 ? '' : addresses[addressCount * 16 - 1];
    return `${outcome} ${id} ${flags} ${name} ${queryType} ${addressCount} ${last} ${ttlS}`;
  };
}

export function helloReader(): (bytes: Uint8Array, from: number, to: number) => string {
  const read = new TlsHello();
  return (bytes, from, to) => {
    const outcome = read.read(bytes, from, to);
    const { kind, version, cipherSuite, group, serverName, alpn } = read;
    return `${outcome} ${kind} ${version} ${cipherSuite} ${group} ${serverName} ${alpn}`;
  };
}
