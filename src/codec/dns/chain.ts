import { labelAt } from './name.ts';

/** Most aliases followed in one message; further ones are ignored. */
export const DNS_ALIASES_MAX = 16;
/**
 * Most labels and letters compared in one message: compressed names, which all servers send, take
 * one each.
 */
const STEPS_MAX = 16_384;

const UPPER_A = 0x41;
const UPPER_Z = 0x5a;

/**
 * The names of a message that belong to the question: the name itself, and those that its aliases
 * (RFC 1034 §3.6.2) lead to, in any order. An address of another name in the answer does not count.
 */
export class AnswerChain {
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #steps = 0;
  /** Offsets of names that belong to the question. */
  readonly #names = new Int32Array(DNS_ALIASES_MAX + 1);
  #length = 0;
  // Aliases that have not been reached yet; an owner of -1 has been reached.
  readonly #owners = new Int32Array(DNS_ALIASES_MAX);
  readonly #targets = new Int32Array(DNS_ALIASES_MAX);
  #aliases = 0;

  /** Begins with no name, in the message `bytes[start .. end]`. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#steps = 0;
    this.#aliases = 0;
    this.#length = 0;
  }

  /** The name at `at` is the one in the question. */
  ask(at: number): void {
    this.#names[this.#length++] = at;
  }

  alias(owner: number, target: number): void {
    if (this.#aliases === DNS_ALIASES_MAX) return;
    this.#owners[this.#aliases] = owner;
    this.#targets[this.#aliases++] = target;
  }

  /** Follows all aliases to their end. */
  close(): void {
    for (let next = 0; next < this.#length; next++) {
      for (let i = 0; i < this.#aliases; i++) {
        const owner = this.#owners[i]!;
        if (owner < 0 || !this.#isSame(this.#names[next]!, owner)) continue;
        this.#owners[i] = -1;
        this.#names[this.#length++] = this.#targets[i]!;
      }
    }
  }

  has(name: number): boolean {
    for (let i = 0; i < this.#length; i++) {
      if (this.#isSame(this.#names[i]!, name)) return true;
    }
    return false;
  }

  #isSame(a: number, b: number): boolean {
    const bytes = this.#bytes;
    let left = a;
    let right = b;
    while (this.#steps++ < STEPS_MAX) {
      left = labelAt(bytes, this.#start, this.#end, left);
      right = labelAt(bytes, this.#start, this.#end, right);
      if (left < 0 || right < 0) return false;
      if (left === right) return true;
      const length = bytes[left]!;
      if (bytes[right] !== length) return false;
      if (length === 0) return true;
      for (let i = 1; i <= length; i++) {
        if (lower(bytes[left + i]!) !== lower(bytes[right + i]!)) return false;
      }
      this.#steps += length;
      left += 1 + length;
      right += 1 + length;
    }
    return false;
  }
}

function lower(byte: number): number {
  return byte >= UPPER_A && byte <= UPPER_Z ? byte + 0x20 : byte;
}
