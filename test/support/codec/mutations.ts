import { NetobservError } from '../../../src/base/errors.ts';

/** Mutations of valid bytes: input that anyone may send, made by the thousand and reproducible. */

/** Numbers below 2^32, determined by the seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Values at which parsers branch. */
const TELLING = [0, 1, 2, 3, 16, 63, 64, 127, 128, 0xc0, 0xc1, 0xff];

/** Copies `from` to `into[at ..]` with some bytes changed; returns the length, maybe less. */
export function mutate(
  from: Uint8Array,
  into: Uint8Array,
  at: number,
  random: () => number,
): number {
  into.set(from, at);
  const changes = 1 + (random() % 6);
  for (let i = 0; i < changes; i++) {
    const place = at + (random() % from.length);
    const how = random();
    if (how % 3 === 0) into[place] = how >>> 24;
    else if (how % 3 === 1) into[place] = TELLING[how % TELLING.length]!;
    else into[place]! ^= 1 << (how >>> 29);
  }
  return random() % 4 === 0 ? random() % (from.length + 1) : from.length;
}

/** One input in this many is noise; the others are mutated valid ones. */
const NOISE_EVERY = 8;
/** Maximum CPU time per input, which does not depend on the machine's other work. */
const INPUT_MAX_MS = 2000;

/** CPU time of this thread in milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Writes random bytes to the beginning of `into`; returns how many. */
function noise(into: Uint8Array, random: () => number): number {
  const length = random() % (into.length + 1);
  for (let at = 0; at < length; at++) into[at] = random();
  return length;
}

/** Reads the bytes from `from` to `to`; returns everything read as text. */
export type Read = (bytes: Uint8Array, from: number, to: number) => string;

/** Fewer entries of intern tables than in a pipeline, so that a test begins some anew. */
export const TABLE_ENTRIES = 20_000;

/** Room before and after the bytes to read. */
const MARGIN = 300;

/**
 * Reads `count` inputs, mutations of the samples and noise, each twice: between bytes of 0 and
 * between bytes of 255. A reader that looks at bytes outside its input gives different results;
 * those inputs are returned, with thrown errors and inputs that took too long.
 */
export function violations(
  samples: readonly Uint8Array[],
  count: number,
  seed: number,
  read: Read,
): string[] {
  const longest = Math.max(...samples.map((sample) => sample.length));
  const buffers = [0, 0xff].map((fill) => new Uint8Array(longest + 2 * MARGIN).fill(fill));
  const random = randomFrom(seed);
  const input = new Uint8Array(longest);
  const found: string[] = [];
  for (let i = 0; i < count && found.length < 10; i++) {
    const sample = samples[i % samples.length]!;
    const isNoise = i % NOISE_EVERY === 0;
    const length = isNoise ? noise(input, random) : mutate(sample, input, 0, random);
    const startMs = cpuMs();
    try {
      const told = buffers.map((buffer) => {
        buffer.set(input.subarray(0, length), MARGIN);
        const text = read(buffer, MARGIN, MARGIN + length);
        buffer.fill(buffer[0]!, MARGIN, MARGIN + length);
        return text;
      });
      if (told[0] !== told[1]) found.push(`${hex(input, length)}: ${told.join(' | ')}`);
      const tookMs = cpuMs() - startMs;
      if (tookMs > INPUT_MAX_MS) found.push(`${hex(input, length)}: took ${tookMs} ms`);
    } catch (error) {
      found.push(`${hex(input, length)}: ${error}`);
    }
  }
  return found;
}

function hex(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.subarray(0, length)).toString('hex');
}

/** The amount found in an input is limited in proportion to its length. */
const FOUND_PER_BYTE_MAX = 16;
/** A refusal with a code reads as that code; any other thrown error is a bug. */
export function coded(read: Read): Read {
  return (bytes, from, to) => {
    try {
      return read(bytes, from, to);
    } catch (error) {
      if (error instanceof NetobservError) return error.code;
      throw error;
    }
  };
}

export function bounded(text: string, from: number, to: number): string {
  const most = FOUND_PER_BYTE_MAX * (64 + to - from);
  if (text.length > most) throw new Error(`${text.length} characters of ${to - from} bytes`);
  return text;
}
