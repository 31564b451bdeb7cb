import { writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { hasCode, NetobservError } from '../base/errors.ts';
import { TELEMETRY_ERRORS } from './errors.ts';

type Done = (error?: Error | null) => void;

/**
 * A standard stream that is a file, or a device such as /dev/null.
 *
 * Node's own stream ends for good at the first error. A full disk may have room again later, so
 * each write here is independent: it calls back with, or emits, a retryable error, and the next one
 * may succeed. After a partial write its rest is written first, so that no line is in two pieces.
 */
export class FileOutput extends Writable {
  readonly #fd: number;
  #begun: { readonly whole: Uint8Array; readonly rest: Uint8Array } | undefined;

  constructor(fd: number) {
    super({ autoDestroy: false, emitClose: false });
    this.#fd = fd;
  }

  /** Bytes that could not be written completely may be passed again, as the same object. */
  override write(chunk: unknown, encoding?: BufferEncoding | Done, callback?: Done): boolean {
    const done = typeof encoding === 'function' ? encoding : callback;
    const bytes =
      typeof chunk === 'string'
        ? Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8')
        : (chunk as Uint8Array);
    const failure = this.#put(bytes);
    if (done !== undefined) process.nextTick(done, failure ?? null);
    else if (failure !== undefined) this.emit('error', failure);
    return true;
  }

  #put(bytes: Uint8Array): NetobservError | undefined {
    const begun = this.#begun;
    if (begun !== undefined) {
      const failure = this.#putAll(begun.whole, begun.rest);
      if (failure !== undefined || begun.whole === bytes) return failure;
    }
    return this.#putAll(bytes, bytes);
  }

  #putAll(whole: Uint8Array, bytes: Uint8Array): NetobservError | undefined {
    let rest = bytes;
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest));
      this.#begun = undefined;
      return undefined;
    } catch (cause) {
      // A copy, since the writer's buffer may have other contents by then.
      this.#begun = rest.length < whole.length ? { whole, rest: Buffer.from(rest) } : undefined;
      const name = this.#fd === 1 ? 'standard output' : 'standard error';
      return new NetobservError(TELEMETRY_ERRORS.output, `${name} takes nothing`, {
        cause,
        retryable: true,
      });
    }
  }
}

/** Not the end of standard output: a later write may succeed. */
export function isRefusal(error: unknown): boolean {
  return hasCode(error, TELEMETRY_ERRORS.output);
}
