/** Arguments for the addon's functions: valid, nearly valid and nonsense. */
import type { BpfObject } from '../../../src/agent/loader/native.ts';

/** A source of random numbers that a seed fully determines (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }
}

const NUMBERS = [
  ...[0, 1, 2, 3, 7, 64, 255, 4096, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32],
  ...[2 ** 53, 1e300, -0, -1, -(2 ** 31), 0.5, Number.NaN, Number.POSITIVE_INFINITY],
];

const SIZES = [0, 1, 3, 4, 8, 16, 40, 64, 100, 256, 1000, 4096, 65_536];

const TEXTS = [
  ...[
    '',
    'x'.repeat(63),
    'x'.repeat(64),
    'flows_a\0',
    '\ud800',
    '%s%n',
    '.rodata',
    '.rodata.config',
  ],
  ...['/proc/self/ns/net', '/proc/self/ns/user', '/dev/null', '/nowhere', '/proc/self/exe', '/'],
  ...['ingress', 'egress', 'tcx', 'tc', 'none', 'head', 'tail'],
];

/** More than the values of all CPUs in a map without a feature. */
const GUARD_BYTES = 512;

/** Thrown by a getter of options, and passed on unchanged. */
export const THROWN_BY_GETTER = new Error('thrown by a getter');

export interface Stock {
  readonly dice: Dice;
  /** Names of maps and of programs. */
  readonly names: readonly string[];
  /** Descriptors that are, or were, open. */
  readonly descriptors: readonly number[];
  readonly objects: () => readonly BpfObject[];
  /** Memory with a guard area that nobody may write to. */
  readonly guarded: Uint8Array[];
  /** Side effects of a getter on other objects. */
  readonly mischief: () => void;
}

export function someNumber({ dice, descriptors }: Stock): number {
  return dice.chance(2) ? dice.pick(NUMBERS) : (dice.pick(descriptors) ?? dice.below(1000));
}

export function someText({ dice, names }: Stock): string {
  return dice.chance(4) ? dice.pick(TEXTS) : dice.pick(names);
}

/** Often of a fitting size, in all kinds of memory. */
export function someBytes({ dice, guarded }: Stock, fitting: readonly number[] = SIZES): unknown {
  const size = dice.chance(6) ? dice.pick(SIZES) : dice.pick(fitting);
  switch (dice.below(20)) {
    case 0: {
      const gone = new Uint8Array(size);
      gone.buffer.transfer();
      return gone;
    }
    case 1:
      return new Uint8Array(new SharedArrayBuffer(size));
    case 2: {
      const buffer = new ArrayBuffer(size, { maxByteLength: size * 2 + 8 });
      const array = new Uint8Array(buffer, Math.min(size, dice.below(16)));
      if (dice.chance(2)) buffer.resize(dice.below(size + 1));
      return array;
    }
    case 3:
      return dice.pick([new DataView(new ArrayBuffer(size)), new Uint16Array(size), [1, 2, 3]]);
    default: {
      const bytes = new Uint8Array(size + GUARD_BYTES).subarray(0, size);
      guarded.push(bytes);
      return bytes;
    }
  }
}

/** Usually shared memory, sometimes of the kind that can grow. */
export function someShared(stock: Stock, fitting: readonly number[]): unknown {
  const { dice, guarded } = stock;
  if (dice.chance(6)) return someBytes(stock, fitting);
  const size = dice.pick(fitting);
  const room = size + GUARD_BYTES;
  const options = dice.chance(8) ? { maxByteLength: room + 4096 } : {};
  const bytes = new Uint8Array(new SharedArrayBuffer(room, options)).subarray(0, size);
  guarded.push(bytes);
  return bytes;
}

/** Whether the memory after the given bytes is unchanged; the kernel may write to the bytes. */
export function isWhole(bytes: Uint8Array): boolean {
  const { buffer, byteOffset, length } = bytes;
  // Transferred meanwhile.
  if (buffer.byteLength < byteOffset + length + GUARD_BYTES) return true;
  return new Uint8Array(buffer, byteOffset + length).every((byte) => byte === 0);
}

/** Any value. */
export function something(stock: Stock): unknown {
  const { dice } = stock;
  switch (dice.below(10)) {
    case 0:
      return undefined;
    case 1:
      return null;
    case 2:
      return dice.pick([true, 7n, Symbol('x'), () => 1, new Date(0), new Map()]);
    case 3:
      return dice.pick([{}, [], Object.create(null), new Proxy({}, {}), { fd: 1 }]);
    case 4:
      return dice.pick(stock.objects());
    case 5:
      return someBytes(stock);
    case 6:
      return someText(stock);
    default:
      return someNumber(stock);
  }
}

/** The same with one property missing or changed, or behind an arbitrary getter. */
export function spoiled(stock: Stock, options: Readonly<Record<string, unknown>>): unknown {
  const { dice, mischief } = stock;
  const copy: Record<string, unknown> = { ...options };
  const key = dice.pick(Object.keys(options));
  switch (dice.below(6)) {
    case 0:
      delete copy[key];
      break;
    case 1:
      copy[key] = something(stock);
      break;
    case 2: {
      const value = copy[key];
      Object.defineProperty(copy, key, {
        get: () => {
          mischief();
          if (dice.chance(4)) throw THROWN_BY_GETTER;
          return value;
        },
      });
      break;
    }
    default:
  }
  return copy;
}
