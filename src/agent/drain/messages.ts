import { assert } from '../../base/assert.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import type { AgentMetrics } from '../metrics.ts';
import { message as messageLayout, messageRoom } from './layout.gen.ts';

const MESSAGES_MAP = 'messages';

/** Bytes of the ring: 16,000 DNS answers between two drains, or 1,900 of the longest hellos. */
const RING_BYTES = 4 * 1024 * 1024;

const RECORD_BYTES_MAX = messageLayout.sizeBytes + messageRoom.large;
/** In front of each record. */
const LENGTH_BYTES = 8;
const BUFFER_BYTES = 256 * 1024;
/** Hooks go on while the ring is read: what comes after twice its size is left for later. */
const READS_MAX = (2 * RING_BYTES) / BUFFER_BYTES;

/** Size of the ring, for features that send messages; see `FeatureSpec.maxEntries`. */
export const messagesMap: Readonly<Record<string, number>> = { [MESSAGES_MAP]: RING_BYTES };

/** A message, valid while its handler runs. */
export interface Message {
  /** The buffer that it is in, as bytes and as words. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Where its flow's key is in `words`. */
  readonly key: number;
  /** Its payload is `bytes[from .. to]`. */
  readonly from: number;
  readonly to: number;
}

export type OnMessage = (message: Message) => void;

/** Hands on what programs have put into the ring buffer `messages`, by kind. */
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
  };

  constructor(native: Native, object: BpfObject, metrics: AgentMetrics) {
    this.#native = native;
    this.#object = object;
    this.#metrics = metrics;
  }

  /** One handler per kind, of `enum message_kind`. */
  on(kind: number, handler: OnMessage): void {
    assert(!this.#handlers.has(kind), `messages of kind ${kind} have one reader`);
    this.#handlers.set(kind, handler);
  }

  /** Reads what is there; whoever asks first reads for all. */
  read(): void {
    for (let reads = 0; reads < READS_MAX; reads++) {
      const used = this.#native.readRing(this.#object, MESSAGES_MAP, this.#bytes, RECORD_BYTES_MAX);
      if (used === 0) return;
      this.#dispatch(used);
    }
  }

  #dispatch(used: number): void {
    const { sizeBytes, key, kind, length } = messageLayout;
    const message = this.#message;
    for (let at = 0; at < used; ) {
      const recordBytes = this.#view.getUint32(at, true);
      const record = at + LENGTH_BYTES;
      at = record + ((recordBytes + LENGTH_BYTES - 1) & ~(LENGTH_BYTES - 1));
      message.key = (record + key) >> 2;
      message.from = record + sizeBytes;
      message.to = message.from + this.#view.getUint32(record + length, true);
      const handler = this.#handlers.get(this.#bytes[record + kind]!);
      const isRight = recordBytes <= RECORD_BYTES_MAX && message.to <= record + recordBytes;
      if (handler !== undefined && isRight) handler(message);
      else this.#metrics.message('unknown', 'malformed');
    }
  }
}
