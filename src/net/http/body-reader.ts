import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { NetobservError } from '../../base/errors.ts';
import { NET_ERRORS } from '../errors.ts';

const unzip = promisify(gunzip);

interface Bounds {
  readonly bodyBytesMax: number;
  readonly bodiesBytesMax: number;
}

/** A body that is read, or that has been and is being answered. */
interface Body {
  /** The whole body, unpacked. Throws a coded error if it cannot be used. */
  read(): Promise<Uint8Array<ArrayBuffer>>;
  /** Gives back its share of the memory. */
  release(): void;
}

/** Reads bodies of requests into a bounded amount of memory. */
export class BodyReader {
  readonly #bounds: Bounds;
  #heldBytes = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  open(request: IncomingMessage): Body {
    let held = 0;
    const hold = (bytes: number): void => {
      this.#heldBytes += bytes - held;
      held = bytes;
    };
    return { read: () => this.#read(request, hold), release: () => hold(0) };
  }

  async #read(
    request: IncomingMessage,
    hold: (bytes: number) => void,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { 'content-encoding': coding = 'identity', 'content-length': length } = request.headers;
    if (coding !== 'identity' && coding !== 'gzip') {
      throw new NetobservError(NET_ERRORS.request, 'the content-encoding must be gzip');
    }
    if (Number(length) > this.#bounds.bodyBytesMax) throw this.#tooLarge();
    const parts: Buffer[] = [];
    let bytes = 0;
    // Without the option, a refusal would end the connection before it is answered.
    for await (const part of request.iterator({ destroyOnReturn: false })) {
      bytes += part.length;
      if (bytes > this.#bounds.bodyBytesMax) throw this.#tooLarge();
      hold(bytes);
      if (this.#heldBytes > this.#bounds.bodiesBytesMax) throw busy();
      parts.push(part);
    }
    const whole = Buffer.concat(parts);
    if (coding === 'identity') return whole;
    const unpacked = await this.#unpack(whole);
    hold(unpacked.length);
    if (this.#heldBytes > this.#bounds.bodiesBytesMax) throw busy();
    return unpacked;
  }

  async #unpack(packed: Buffer): Promise<Buffer<ArrayBuffer>> {
    try {
      return await unzip(packed, { maxOutputLength: this.#bounds.bodyBytesMax });
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE') {
        throw this.#tooLarge();
      }
      throw new NetobservError(NET_ERRORS.request, 'the body is no gzip', { cause });
    }
  }

  #tooLarge(): NetobservError {
    const problem = `a body has over ${this.#bounds.bodyBytesMax} bytes`;
    return new NetobservError(NET_ERRORS.tooLarge, problem);
  }
}

function busy(): NetobservError {
  return new NetobservError(NET_ERRORS.busy, 'the bodies of other requests fill the memory');
}
