import { assert } from '../../base/assert.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import type { AgentMetrics } from '../metrics.ts';
import { NAMESPACES } from './aging-map.ts';
import { message as messageLayout, messageRoom, observedInterface } from './layout.gen.ts';

const MESSAGES_MAP = 'messages';
const MESSAGES_WAKE_MAP = 'messages_wake';

/** Maps that a feature with messages reads; see `FeatureSpec.maps`. */
export const MESSAGE_MAPS: readonly string[] = [MESSAGES_MAP, MESSAGES_WAKE_MAP];

/** Bytes of the ring, read when half full: 8,000 DNS answers or 950 of the longest hellos. */
const RING_BYTES = 4 * 1024 * 1024;

const RECORD_BYTES_MAX = messageLayout.sizeBytes + messageRoom.large;
/** Bytes of the length before each record. */
const LENGTH_BYTES = 8;
const BUFFER_BYTES = 256 * 1024;
const WORD = 2 ** 32;
const NS_PER_MS = 1e6;
/** Hooks go on writing while the ring is read: beyond twice its size, records wait for later. */
const READS_MAX = (2 * RING_BYTES) / BUFFER_BYTES;

/** Size of the ring, for features that send messages; see `FeatureSpec.maxEntries`. */
export const messagesMap: Readonly<Record<string, number>> = { [MESSAGES_MAP]: RING_BYTES };

/** A message, valid while its handler runs. */
export interface KernelMessage {
  /** The buffer that it is in, as bytes and as words. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Index of its flow's key in `words`. */
  readonly key: number;
  /** Its payload is `bytes[from .. to]`. */
  readonly from: number;
  readonly to: number;
  /** When its packet came: milliseconds of the kernel's monotonic clock, in whole numbers. */
  readonly timeMs: number;
  /** Sequence number of the payload, for TCP. */
  readonly sequence: number;
  /** Bytes of the question that match the query that waited for it, for DNS. */
  readonly asked: number;
  /** The interface that saw it; equal values of `% NAMESPACES` mean one namespace, 0 unknown. */
  readonly owner: number;
}

/** Calls back when a program has put a word into a ring. */
export interface RingWatcher {
  addRing(object: BpfObject, map: string, wake: () => void): void;
}

export type OnMessage = (message: KernelMessage) => void;

/** Passes the records of the ring buffer `messages` to handlers, by kind. */
export class MessageReader {
  readonly #native: Native;
  readonly #object: BpfObject;
  readonly #metrics: AgentMetrics;
  readonly #handlers = new Map<number, OnMessage>();
  readonly #bytes = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #message = {
    bytes: this.#bytes,
    words: new Uint32Array(this.#bytes.buffer),
    key: 0,
    from: 0,
    to: 0,
    timeMs: 0,
    sequence: 0,
    asked: 0,
    owner: 0,
  };

  constructor(native: Native, object: BpfObject, metrics: AgentMetrics) {
    this.#native = native;
    this.#object = object;
    this.#metrics = metrics;
  }

  /** Sets the handler of one kind, of `enum message_kind`. */
  on(kind: number, handler: OnMessage): void {
    assert(!this.#handlers.has(kind), `messages of kind ${kind} have one reader`);
    this.#handlers.set(kind, handler);
  }

  /**
   * Reads the ring also when it fills up between two drains. Flows stay in their maps: messages
   * wait for their flows in the handlers.
   */
  watch(watcher: RingWatcher): void {
    if (this.#handlers.size === 0) return;
    watcher.addRing(this.#object, MESSAGES_WAKE_MAP, () => this.read());
  }

  /** Reads all records; the first caller reads for all. */
  read(): void {
    for (let reads = 0; reads < READS_MAX; reads++) {
      const used = this.#native.readRing(this.#object, MESSAGES_MAP, this.#bytes, RECORD_BYTES_MAX);
      if (used === 0) return;
      this.#dispatch(used);
    }
  }

  #ownerAt(at: number): number {
    const netns = this.#view.getUint32(at + observedInterface.netns, true);
    const ifindex = this.#view.getUint32(at + observedInterface.ifindexSeen, true);
    return ifindex * NAMESPACES + (netns % NAMESPACES);
  }

  #dispatch(used: number): void {
    const { sizeBytes, key, kind, length, sequence, asked, place, timeNs } = messageLayout;
    const message = this.#message;
    for (let at = 0; at < used; ) {
      const recordBytes = this.#view.getUint32(at, true);
      const record = at + LENGTH_BYTES;
      at = record + ((recordBytes + LENGTH_BYTES - 1) & ~(LENGTH_BYTES - 1));
      message.key = (record + key) >> 2;
      message.from = record + sizeBytes;
      message.to = message.from + this.#view.getUint32(record + length, true);
      const low = this.#view.getUint32(record + timeNs, true);
      const high = this.#view.getUint32(record + timeNs + 4, true);
      message.timeMs = Math.round((low + high * WORD) / NS_PER_MS);
      message.sequence = this.#view.getUint32(record + sequence, true);
      message.asked = this.#view.getUint16(record + asked, true);
      message.owner = this.#ownerAt(record + place);
      const handler = this.#handlers.get(this.#bytes[record + kind]!);
      const isRight = recordBytes <= RECORD_BYTES_MAX && message.to <= record + recordBytes;
      if (handler !== undefined && isRight) handler(message);
      else this.#metrics.message('unknown', 'malformed');
    }
  }
}
