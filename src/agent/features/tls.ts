import type { Outcome } from '../../codec/outcome.ts';
import { CLIENT_HELLO, SERVER_HELLO, TlsHello } from '../../codec/tls/hello.ts';
import { HelloParts } from '../../codec/tls/hello-parts.ts';
import { type FlowBatch, pushList } from '../../flow/batch.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
import {
  TLS_CIPHER_SUITES,
  TLS_GROUPS,
  TLS_MISMATCH,
  TLS_TYPES,
  TLS_VERSIONS,
} from '../../flow/names/tls.ts';
import { AgingMap } from '../drain/aging-map.ts';
import type { DrainBuffer, DrainFacts } from '../drain/buffer.ts';
import { flowKey, messageKind, tlsMetrics, tlsSeen } from '../drain/layout.gen.ts';
import { type KernelMessage, MESSAGE_MAPS, messagesMap } from '../drain/messages.ts';
import { type FeatureReaderDeps, type FeatureSpec, HOOKS_ALONE } from './feature.ts';
import type { FeatureReader } from './reader.ts';

/** Hellos that are kept, in each of two generations: at least this many, or one per flow. */
const HELLOS_MIN = 16_384;
/** Shortest life of a generation; it lasts at least from one drain to the next. */
const GENERATION_MS = 5000;

/** Hellos in several segments, in each of two generations; HELLO_BYTES_MAX each. */
const PARTS_MAX = 512;

const KEY_WORDS = flowKey.sizeBytes >> 2;
const ADDRESS_WORDS = 4;
const PORTS_WORD = flowKey.srcPort >> 2;
const PROTOCOL_WORD = flowKey.protocol >> 2;

/** Versions, ciphers and names of TLS, by bpf/tls.h. */
export const tls: FeatureSpec = {
  name: 'tls',
  variable: 'ENABLE_TLS_TRACKING',
  isOn: (config) => config.enableTlsTracking,
  fields: 'tlsTracking',
  without: 'flows have no TLS fields',
  enabledBy: HOOKS_ALONE,
  extension: { at: 'tlsAt', sizeBytes: tlsMetrics.sizeBytes },
  maxEntries: () => messagesMap,
  maps: MESSAGE_MAPS,
  reader: (deps, at) => new TlsReader(deps, at),
};

/** The content of a hello. */
interface Hello {
  readonly isClient: boolean;
  readonly version: number;
  readonly cipherSuite: number;
  readonly group: number;
  readonly serverName: string;
  readonly alpn: readonly string[];
  /** Its kind, of TLS_TYPES, when it was only seen by joining segments; reported once. */
  unseen: number;
}

/**
 * Both directions of a connection show its handshake, from either end. Hellos are remembered while
 * either direction goes on, with pauses of up to a generation.
 */
class TlsReader implements FeatureReader {
  readonly #deps: FeatureReaderDeps;
  readonly #at: number;
  readonly #hellos: AgingMap<Hello>;
  readonly #parts = new AgingMap<HelloParts>(KEY_WORDS, PARTS_MAX);
  readonly #hello = new TlsHello();
  readonly #reversed = new Uint32Array(KEY_WORDS);
  #nowMs = 0;
  #turnedMs = 0;

  constructor(deps: FeatureReaderDeps, at: number) {
    this.#deps = deps;
    this.#at = at;
    const capacity = Math.max(HELLOS_MIN, deps.config.cacheMaxFlows);
    this.#hellos = new AgingMap(KEY_WORDS, capacity);
    deps.messages.on(messageKind.tls, (message) => this.#take(message));
    deps.messages.on(messageKind.tlsMore, (message) => this.#takeMore(message));
  }

  prepare({ nowMs }: DrainFacts): void {
    this.#nowMs = nowMs;
    this.#deps.messages.read();
  }

  decode(buffer: DrainBuffer, length: number, batch: FlowBatch): void {
    if (batch.has('TLSTypes')) this.#listTypes(buffer, length, batch);
    const columns = columnsOf(batch);
    let end = 0;
    for (let row = 0, base = this.#at; row < length; row++, base += buffer.valueBytes) {
      const alpn = this.#isTls(buffer, base)
        ? this.#describe(buffer, row, batch, columns)
        : NO_NAMES;
      if (columns.alpn === undefined) continue;
      for (const name of alpn) {
        end = pushList(columns.alpn, end, batch.tables.strings.intern(name));
      }
      columns.alpn.offsets[row + 1] = end;
    }
  }

  finish(): void {
    const refused = this.#hellos.takeRefused();
    if (refused > 0) this.#deps.metrics.lost('tls', 'hellos_full', refused);
    // The absolute difference, so that a clock set back does not keep everything.
    if (Math.abs(this.#nowMs - this.#turnedMs) < GENERATION_MS) return;
    this.#turnedMs = this.#nowMs;
    this.#hellos.turn();
    this.#parts.turn();
  }

  /** Data in the middle of a record cannot be recognized, so any payload counts. */
  #isTls({ values }: DrainBuffer, base: number): boolean {
    const { types, misses, hellos } = tlsMetrics;
    const looked = values[base + types]! | values[base + misses]! | values[base + hellos]!;
    return looked !== 0 && !this.#hellos.isEmpty;
  }

  /** Fills the row's columns, except the list, which it returns. */
  #describe(
    { keys32 }: DrainBuffer,
    row: number,
    { tables }: FlowBatch,
    columns: Columns,
  ): readonly string[] {
    const key = row * KEY_WORDS;
    const own = this.#hellos.use(keys32, key);
    reverse(keys32, key, this.#reversed);
    const other = this.#hellos.use(this.#reversed, 0);
    const client = own?.isClient === true ? own : other?.isClient === true ? other : undefined;
    const server = own?.isClient === false ? own : other?.isClient === false ? other : undefined;
    if (columns.version !== undefined) {
      columns.version[row] = versionId(client, server, tables);
    }
    if (server !== undefined) nameChoices(server, row, columns, tables);
    if (client === undefined) return NO_NAMES;
    if (columns.serverName !== undefined && client.serverName !== '') {
      columns.serverName[row] = tables.strings.intern(client.serverName);
    }
    return client.alpn;
  }

  #take(message: KernelMessage): void {
    const { words, key, bytes, from, to, sequence, owner } = message;
    const outcome = this.#read(message, bytes, from, to);
    this.#deps.metrics.message('tls', outcome);
    if (outcome !== 'cut' || to === from) return;
    const parts = new HelloParts(bytes, from, to, sequence);
    if (!this.#parts.put(words, key, parts, owner)) this.#deps.metrics.lost('tls', 'parts_full');
  }

  /** Takes more of a hello: the hello is decoded again. */
  #takeMore(message: KernelMessage): void {
    const { words, key, bytes, from, to, sequence } = message;
    const parts = this.#parts.use(words, key);
    if (parts === undefined) return;
    if (!parts.add(bytes, from, to, sequence)) return;
    const outcome = this.#read(message, parts.bytes, 0, parts.length, true);
    if (outcome !== 'cut') this.#deps.metrics.message('tls', outcome);
  }

  #read(
    { words, key, owner }: KernelMessage,
    bytes: Uint8Array,
    from: number,
    to: number,
    isJoined = false,
  ): Outcome {
    const hello = this.#hello;
    const outcome = hello.read(bytes, from, to);
    const { kind, version, cipherSuite, group, serverName, alpn } = hello;
    // A truncated hello may have a name but no version.
    if (version === 0 && cipherSuite === 0 && serverName === '' && alpn.length === 0) {
      return outcome;
    }
    const isClient = kind === CLIENT_HELLO;
    const unseen = isJoined ? (TYPE_OF_KIND.get(kind) ?? 0) : 0;
    const said = { isClient, version, cipherSuite, group, serverName, alpn, unseen };
    if (!this.#hellos.put(words, key, said, owner)) this.#deps.metrics.lost('tls', 'hellos_full');
    return outcome;
  }

  #listTypes({ keys32, values, valueBytes }: DrainBuffer, length: number, batch: FlowBatch): void {
    const column = batch.list('TLSTypes');
    const { strings } = batch.tables;
    let end = 0;
    for (let row = 0, base = this.#at; row < length; row++, base += valueBytes) {
      let types = values[base + tlsMetrics.types]!;
      if (values[base + tlsMetrics.hellos] !== 0) types |= this.#takeUnseen(keys32, row);
      for (let i = 0; types !== 0 && i < TLS_TYPES.length; i++) {
        const [name, bit] = TLS_TYPES[i]!;
        if ((types & bit) !== 0) end = pushList(column, end, strings.intern(name));
      }
      column.offsets[row + 1] = end;
    }
  }

  #takeUnseen(keys32: Uint32Array, row: number): number {
    const hello = this.#hellos.use(keys32, row * KEY_WORDS);
    if (hello === undefined) return 0;
    const { unseen } = hello;
    hello.unseen = 0;
    return unseen;
  }
}

const TYPE_OF_KIND: ReadonlyMap<number, number> = new Map([
  [CLIENT_HELLO, tlsSeen.clientHello],
  [SERVER_HELLO, tlsSeen.serverHello],
]);

const NO_NAMES: readonly string[] = [];

type Columns = ReturnType<typeof columnsOf>;

function columnsOf(batch: FlowBatch) {
  const ids = (name: string): Uint32Array | undefined =>
    batch.has(name) ? batch.ids(name) : undefined;
  return {
    version: ids('TLSVersion'),
    cipherSuite: ids('TLSCipherSuite'),
    group: ids('TLSGroup'),
    serverName: ids('TLSServerName'),
    alpn: batch.has('TLSAlpn') ? batch.list('TLSAlpn') : undefined,
  };
}

/** The version that the server chose or, if that is unknown, the client's highest. */
function versionId(
  client: Hello | undefined,
  server: Hello | undefined,
  { strings }: InternTables,
): number {
  const offered = client?.version ?? 0;
  const said = server?.version || offered;
  if (said === 0) return MISSING;
  const name = TLS_VERSIONS.nameOf(said);
  const differ = offered !== 0 && offered !== said;
  return strings.intern(differ ? TLS_MISMATCH + name : name);
}

function nameChoices(server: Hello, row: number, columns: Columns, tables: InternTables): void {
  const { strings } = tables;
  if (columns.cipherSuite !== undefined && server.cipherSuite !== 0) {
    columns.cipherSuite[row] = strings.intern(TLS_CIPHER_SUITES.nameOf(server.cipherSuite));
  }
  if (columns.group !== undefined && server.group !== 0) {
    columns.group[row] = strings.intern(TLS_GROUPS.nameOf(server.group));
  }
}

/** The key of the connection's other direction. */
function reverse(keys: Uint32Array, at: number, into: Uint32Array): void {
  for (let i = 0; i < ADDRESS_WORDS; i++) {
    into[i] = keys[at + ADDRESS_WORDS + i]!;
    into[ADDRESS_WORDS + i] = keys[at + i]!;
  }
  const ports = keys[at + PORTS_WORD]!;
  into[PORTS_WORD] = (ports << 16) | (ports >>> 16);
  into[PROTOCOL_WORD] = keys[at + PROTOCOL_WORD]!;
}
