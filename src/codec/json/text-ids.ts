import { MISSING } from '../../flow/intern.ts';

/** Places of texts; a power of two. */
const PLACES = 32_768;
/** Longer texts are not kept: an address has at most 45 characters. */
export const TEXT_BYTES_MAX = 48;

/**
 * Ids of texts that were read lately, by their bytes: a known text need not become a string. A text
 * has one place, by its hash, and the last one there is kept.
 */
export class TextIds {
  readonly #bytes = new Uint8Array(PLACES * TEXT_BYTES_MAX);
  readonly #lengths = new Uint8Array(PLACES);
  readonly #ids = new Uint32Array(PLACES);

  /** The id of `bytes[from, to)`; `MISSING`: it is not kept. */
  find(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const place = placeOf(hash);
    const length = to - from;
    if (this.#lengths[place] !== length) return MISSING;
    const own = this.#bytes;
    const base = place * TEXT_BYTES_MAX;
    for (let i = 0; i < length; i++) if (own[base + i] !== bytes[from + i]) return MISSING;
    return this.#ids[place]!;
  }

  keep(bytes: Uint8Array, from: number, to: number, hash: number, id: number): void {
    if (to - from > TEXT_BYTES_MAX) return;
    const place = placeOf(hash);
    this.#lengths[place] = to - from;
    this.#ids[place] = id;
    for (let i = from; i < to; i++) this.#bytes[place * TEXT_BYTES_MAX + i - from] = bytes[i]!;
  }
}

function placeOf(hash: number): number {
  return (hash ^ (hash >>> 15)) & (PLACES - 1);
}
