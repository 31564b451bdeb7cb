/** Makes TLS hellos, byte by byte, after RFC 8446 §4.1. */

const HANDSHAKE = 22;
const EXTENSION = { serverName: 0, alpn: 16, versions: 43, keyShare: 51 } as const;

export interface ClientOptions {
  readonly legacyVersion?: number;
  readonly serverName?: string;
  readonly alpn?: readonly (string | Buffer)[];
  readonly versions?: readonly number[];
  /** Further extensions, in front. */
  readonly extensions?: readonly Buffer[];
}

export interface ServerOptions {
  readonly legacyVersion?: number;
  readonly version?: number;
  /** Number of a draft of TLS 1.3 up to 21, which had a shorter ServerHello. */
  readonly draft?: number;
  readonly cipherSuite: number;
  readonly group?: number;
  /** Bytes of the key; a HelloRetryRequest has none. */
  readonly keyBytes?: number;
}

export function clientHello(options: ClientOptions = {}): Buffer {
  const { serverName, alpn, versions, extensions = [] } = options;
  const all = [...extensions];
  if (serverName !== undefined) {
    const entry = Buffer.concat([Buffer.of(0), sized(2, Buffer.from(serverName, 'latin1'))]);
    all.push(extension(EXTENSION.serverName, sized(2, entry)));
  }
  if (alpn !== undefined) {
    const protocols = alpn.map((each) => sized(1, Buffer.from(each as string, 'latin1')));
    all.push(extension(EXTENSION.alpn, sized(2, Buffer.concat(protocols))));
  }
  if (versions !== undefined) {
    all.push(extension(EXTENSION.versions, sized(1, Buffer.concat(versions.map(u16)))));
  }
  const body = [
    u16(options.legacyVersion ?? 0x0303),
    Buffer.alloc(32, 0xaa),
    sized(1, Buffer.alloc(32, 0xbb)),
    sized(2, Buffer.concat([u16(0x1301), u16(0xc02b)])),
    sized(1, Buffer.of(0)),
    ...(all.length > 0 ? [sized(2, Buffer.concat(all))] : []),
  ];
  return hello(1, Buffer.concat(body));
}

export function serverHello(options: ServerOptions): Buffer {
  const { version, draft, group, keyBytes = 32 } = options;
  const all: Buffer[] = [];
  if (version !== undefined) all.push(extension(EXTENSION.versions, u16(version)));
  if (group !== undefined) {
    const key = keyBytes > 0 ? sized(2, Buffer.alloc(keyBytes, 0xcc)) : Buffer.alloc(0);
    all.push(extension(EXTENSION.keyShare, Buffer.concat([u16(group), key])));
  }
  const body = [
    u16(draft === undefined ? (options.legacyVersion ?? 0x0303) : 0x7f00 + draft),
    Buffer.alloc(32, 0xdd),
    ...(draft === undefined ? [sized(1, Buffer.alloc(0))] : []),
    u16(options.cipherSuite),
    ...(draft === undefined ? [Buffer.of(0)] : []),
    ...(all.length > 0 ? [sized(2, Buffer.concat(all))] : []),
  ];
  return hello(2, Buffer.concat(body));
}

/** The hello of clients that also supported SSL 2 (RFC 5246 appendix E.2). */
export function ssl2Hello(version: number): Buffer {
  const [ciphers, challenge] = [Buffer.from('010080000035', 'hex'), Buffer.alloc(16, 0xee)];
  const lengths = [ciphers.length, 0, challenge.length].map(u16);
  const body = Buffer.concat([Buffer.of(1), u16(version), ...lengths, ciphers, challenge]);
  return Buffer.concat([u16(0x8000 | body.length), body]);
}

export function extension(type: number, data: Buffer): Buffer {
  return Buffer.concat([u16(type), sized(2, data)]);
}

/** A record of any type. */
export function record(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type, 3, 1), sized(2, content)]);
}

function hello(type: number, body: Buffer): Buffer {
  return record(HANDSHAKE, Buffer.concat([Buffer.of(type), sized(3, body)]));
}

function sized(lengthBytes: number, content: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(content.length, 0, lengthBytes);
  return Buffer.concat([length, content]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
