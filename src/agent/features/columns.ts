import type { FlowBatch } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import type { DrainBuffer } from '../drain/buffer.ts';

const WORD = 2 ** 32;

/**
 * Fills a column of doubles from 32-bit numbers at `offset` of each entry, times `scale`. 0 means
 * that nothing was counted or measured for the flow: it has no value.
 */
export function fillWords(
  buffer: DrainBuffer,
  length: number,
  batch: FlowBatch,
  name: string,
  offset: number,
  scale = 1,
): void {
  if (!batch.has(name)) return;
  const stride = buffer.valueBytes >> 2;
  words(length, buffer.values32, stride, offset >> 2, scale, batch.f64(name), batch.present(name));
}

/** As `fillWords`, from 64-bit numbers, exact to 2^53. */
export function fillDoubles(
  buffer: DrainBuffer,
  length: number,
  batch: FlowBatch,
  name: string,
  offset: number,
): void {
  if (!batch.has(name)) return;
  const stride = buffer.valueBytes >> 2;
  doubles(length, buffer.values32, stride, offset >> 2, batch.f64(name), batch.present(name));
}

function words(
  length: number,
  values: Uint32Array,
  stride: number,
  offset: number,
  scale: number,
  into: Float64Array,
  present: Uint32Array,
): void {
  for (let row = 0, at = offset; row < length; row++, at += stride) {
    const value = values[at]!;
    if (value === 0) continue;
    into[row] = value * scale;
    setBit(present, row);
  }
}

function doubles(
  length: number,
  values: Uint32Array,
  stride: number,
  offset: number,
  into: Float64Array,
  present: Uint32Array,
): void {
  for (let row = 0, at = offset; row < length; row++, at += stride) {
    const value = values[at]! + values[at + 1]! * WORD;
    if (value === 0) continue;
    into[row] = value;
    setBit(present, row);
  }
}
