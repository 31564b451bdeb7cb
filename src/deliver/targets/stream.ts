import type { Writable } from 'node:stream';
import { explain, NetobservError } from '../../base/errors.ts';
import { DELIVERY_DEFAULTS, type Target } from '../delivery.ts';
import { DELIVER_ERRORS } from '../errors.ts';
import type { Message } from '../message.ts';

/**
 * A disk may have room again at any time, and another attempt costs nothing. Bytes in the stream
 * cannot be taken back, so its reader has no time limit.
 */
export const STREAM_LIMITS = {
  ...DELIVERY_DEFAULTS,
  attemptTimeoutMs: 2 ** 31 - 1,
  backoff: { firstMs: 250, maxMs: 1000 },
} as const;

/** A stream such as standard output. Each message waits until the one before was taken. */
export class StreamTarget implements Target<Message> {
  readonly inFlightMax = 1;
  readonly #stream: Writable;
  /** For messages, such as `standard output`. */
  readonly #name: string;

  constructor(stream: Writable, name: string) {
    this.#stream = stream;
    this.#name = name;
  }

  /** Resolves when the stream has taken the bytes. A file that is full now may have room later. */
  send({ bytes }: Pick<Message, 'bytes'>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (cause) => {
        if (cause === null || cause === undefined) {
          resolve();
          return;
        }
        const retryable = cause instanceof NetobservError && cause.retryable;
        const message = `cannot write to ${this.#name}: ${explain(cause)}`;
        reject(new NetobservError(DELIVER_ERRORS.output, message, { cause, retryable }));
      });
    });
  }
}
