import { isTlsDraft } from '../../flow/names/tls.ts';
import type { Outcome } from '../outcome.ts';
import { NameWriter } from '../printable.ts';
import { joinRecords } from './records.ts';

/** `HandshakeType` of the messages that are read here. */
export const CLIENT_HELLO = 1;
export const SERVER_HELLO = 2;

/** Most ALPN protocols that are kept; further ones are left out. */
export const ALPN_MAX = 16;
/** Longest name that is kept, for DNS and for ALPN. */
const NAME_BYTES_MAX = 255;

const RECORD_HEAD_BYTES = 5;
const HANDSHAKE_HEAD_BYTES = 4;
const HANDSHAKE = 22;
const RANDOM_BYTES = 32;
const SSL_3 = 0x0300;
const TLS_1_2 = 0x0303;
const TLS_1_3 = 0x0304;
/** Versions of drafts of TLS 1.3: this plus the draft's number. */
const DRAFTS = 0x7f00;
/** Up to this draft, a ServerHello had neither a session nor a compression method. */
const DRAFT_SHORT_MAX = DRAFTS + 21;

/** SSL 2: the flag of its length, and the bytes before the ciphers (RFC 5246 appendix E.2). */
const SSL2_LENGTH_FLAG = 0x80;
const SSL2_HEAD_BYTES = 11;

const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const EXTENSION_VERSIONS = 43;
const EXTENSION_KEY_SHARE = 51;

const HOST_NAME = 0;
/** No byte of these names has a special meaning except the backslash. */
const NOTHING_SPECIAL = -1;

/**
 * The parts of a ClientHello or ServerHello (RFC 5246 §7.4.1, RFC 8446 §4.1) that flows report; a
 * HelloRetryRequest is a ServerHello. Reserved values (RFC 8701) and values that are not TLS
 * versions are ignored. Reading a hello overwrites the previous one.
 */
export class TlsHello {
  /** `CLIENT_HELLO` or `SERVER_HELLO`; 0: neither. */
  kind = 0;
  /**
   * The server's choice, or the highest version that the client offers; 0 when unknown, for example
   * in a hello that is cut before its versions: every hello begins with the version of TLS 1.2.
   */
  version = 0;
  /** The server's choice; 0 in a ClientHello. */
  cipherSuite = 0;
  /** Group of the server's key share; 0 without one. */
  group = 0;
  /** The server that the client wants to reach; empty when the client does not name it. */
  serverName = '';
  /** Protocols that the client offers, in its order. */
  alpn: readonly string[] = [];
  #saysVersions = false;
  // A hello joined from several records.
  #joined = new Uint8Array(0);
  readonly #hostName = new NameWriter(NAME_BYTES_MAX, 'lower');
  readonly #protocol = new NameWriter(NAME_BYTES_MAX, 'kept');

  /** Reads the records that begin at `bytes[at]`, up to the end of the hello. */
  read(bytes: Uint8Array, at: number, end: number): Outcome {
    this.kind = 0;
    this.version = 0;
    this.cipherSuite = 0;
    this.group = 0;
    this.serverName = '';
    this.alpn = [];
    this.#saysVersions = false;
    if (at < end && (bytes[at]! & SSL2_LENGTH_FLAG) !== 0) return this.#readSsl2(bytes, at, end);
    const head = at + RECORD_HEAD_BYTES;
    const body = head + HANDSHAKE_HEAD_BYTES;
    if (body > end) return at < end && bytes[at] !== HANDSHAKE ? 'malformed' : 'cut';
    if (bytes[at] !== HANDSHAKE) return 'malformed';
    const recordEnd = head + u16(bytes, at + 3);
    const length = HANDSHAKE_HEAD_BYTES + (bytes[head + 1]! << 16) + u16(bytes, head + 2);
    if ((body <= recordEnd && head + length <= recordEnd) || recordEnd >= end) {
      return this.#readMessage(bytes, head, Math.min(end, recordEnd));
    }
    if (this.#joined.length < end - at) this.#joined = new Uint8Array(end - at);
    return this.#readMessage(this.#joined, 0, joinRecords(bytes, at, end, this.#joined));
  }

  #readMessage(bytes: Uint8Array, head: number, end: number): Outcome {
    const body = head + HANDSHAKE_HEAD_BYTES;
    if (body > end) return 'cut';
    const type = bytes[head]!;
    if (type !== CLIENT_HELLO && type !== SERVER_HELLO) return 'malformed';
    this.kind = type;
    const bodyEnd = body + (bytes[head + 1]! << 16) + u16(bytes, head + 2);
    const limit = Math.min(end, bodyEnd);
    const isAll = limit === bodyEnd;
    const outcome = this.#readBody(bytes, body, limit);
    const isVersionCut = (outcome !== 'whole' || !isAll) && !this.#saysVersions;
    if (!isKnownVersion(this.version) || (isVersionCut && this.version === TLS_1_2)) {
      this.version = 0;
    }
    if (outcome === 'whole') return isAll ? 'whole' : 'cut';
    // A message that ends too early is cut only if the rest of it was missing.
    return outcome === 'cut' && isAll ? 'malformed' : outcome;
  }

  /** A client that also supports SSL 2 states only its version. */
  #readSsl2(bytes: Uint8Array, at: number, end: number): Outcome {
    if (at + SSL2_HEAD_BYTES > end) return 'cut';
    if (bytes[at + 2] !== CLIENT_HELLO || !isKnownVersion(u16(bytes, at + 3))) return 'malformed';
    this.kind = CLIENT_HELLO;
    this.version = u16(bytes, at + 3);
    const bodyEnd = at + 2 + (u16(bytes, at) & ~(SSL2_LENGTH_FLAG << 8));
    return bodyEnd > end ? 'cut' : 'whole';
  }

  #readBody(bytes: Uint8Array, body: number, end: number): Outcome {
    let at = body + 2 + RANDOM_BYTES;
    if (at >= end) return 'cut';
    this.version = u16(bytes, body);
    const isShort = this.version > DRAFTS && this.version <= DRAFT_SHORT_MAX;
    if (this.kind === SERVER_HELLO && isShort) {
      at = body + 2 + RANDOM_BYTES;
      if (at + 2 > end) return 'cut';
      this.cipherSuite = known(u16(bytes, at));
      return this.#readAllExtensions(bytes, at + 2, end);
    }
    at += 1 + bytes[at]!;
    if (this.kind === CLIENT_HELLO) {
      if (at + 2 > end) return 'cut';
      at += 2 + u16(bytes, at);
      if (at >= end) return 'cut';
      at += 1 + bytes[at]!;
    } else {
      if (at + 3 > end) return 'cut';
      this.cipherSuite = known(u16(bytes, at));
      at += 3;
    }
    return this.#readAllExtensions(bytes, at, end);
  }

  #readAllExtensions(bytes: Uint8Array, at: number, end: number): Outcome {
    // Extensions are optional.
    if (at === end) return 'whole';
    if (at + 2 > end) return 'cut';
    const extensionsEnd = at + 2 + u16(bytes, at);
    if (extensionsEnd <= end) {
      const outcome = this.#readExtensions(bytes, at + 2, extensionsEnd);
      return outcome === 'cut' ? 'malformed' : outcome;
    }
    this.#readExtensions(bytes, at + 2, end);
    return 'cut';
  }

  #readExtensions(bytes: Uint8Array, from: number, end: number): Outcome {
    let at = from;
    while (at < end) {
      if (at + 4 > end) return 'cut';
      const type = u16(bytes, at);
      const data = at + 4;
      const next = data + u16(bytes, at + 2);
      if (next > end) return 'cut';
      if (this.kind === CLIENT_HELLO) this.#readClientExtension(bytes, type, data, next);
      else readServerExtension(this, bytes, type, data, next);
      if (type === EXTENSION_VERSIONS) this.#saysVersions = true;
      at = next;
    }
    return 'whole';
  }

  #readClientExtension(bytes: Uint8Array, type: number, at: number, end: number): void {
    if (type === EXTENSION_SERVER_NAME) this.serverName = this.#readServerName(bytes, at, end);
    else if (type === EXTENSION_ALPN) this.alpn = this.#readAlpn(bytes, at, end);
    else if (type === EXTENSION_VERSIONS) {
      const version = highestVersion(bytes, at + 1, end);
      if (version > 0) this.version = version;
    }
  }

  /** RFC 6066 §3: a list with at most one name. */
  #readServerName(bytes: Uint8Array, at: number, end: number): string {
    const name = at + 5;
    if (name > end || bytes[at + 2] !== HOST_NAME) return '';
    const nameEnd = name + u16(bytes, at + 3);
    return nameEnd > end || nameEnd - name > NAME_BYTES_MAX
      ? ''
      : textOf(this.#hostName, bytes, name, nameEnd);
  }

  /** RFC 7301 §3.1. */
  #readAlpn(bytes: Uint8Array, from: number, end: number): readonly string[] {
    const protocols: string[] = [];
    let at = from + 2;
    while (at < end && protocols.length < ALPN_MAX) {
      const nameEnd = at + 1 + bytes[at]!;
      if (nameEnd > end) break;
      const isGrease = nameEnd - at === 3 && isGreaseValue(u16(bytes, at + 1));
      if (nameEnd > at + 1 && !isGrease) {
        protocols.push(textOf(this.#protocol, bytes, at + 1, nameEnd));
      }
      at = nameEnd;
    }
    return protocols;
  }
}

function textOf(writer: NameWriter, bytes: Uint8Array, from: number, to: number): string {
  writer.clear();
  writer.escaped(bytes, from, to, NOTHING_SPECIAL);
  return writer.text();
}

function readServerExtension(
  hello: TlsHello,
  bytes: Uint8Array,
  type: number,
  at: number,
  end: number,
): void {
  if (at + 2 > end) return;
  if (type === EXTENSION_VERSIONS) hello.version = u16(bytes, at);
  // The group comes first; a HelloRetryRequest has only the group.
  else if (type === EXTENSION_KEY_SHARE) hello.group = known(u16(bytes, at));
}

/** The highest TLS version; 0 when there is none. Drafts rank below the final version. */
function highestVersion(bytes: Uint8Array, from: number, end: number): number {
  let highest = 0;
  for (let at = from; at + 2 <= end; at += 2) {
    const version = u16(bytes, at);
    if (!isKnownVersion(version) || highest === TLS_1_3) continue;
    if (version > highest || version === TLS_1_3) highest = version;
  }
  return highest;
}

function isKnownVersion(version: number): boolean {
  return (version >= SSL_3 && version <= TLS_1_3) || isTlsDraft(version);
}

/** 0 for values that no server may choose. */
function known(value: number): number {
  return isGreaseValue(value) ? 0 : value;
}

/** RFC 8701: reserved values that clients insert. */
function isGreaseValue(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >>> 8 === (value & 0xff);
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
