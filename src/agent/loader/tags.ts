import { config as layout } from '../drain/layout.gen.ts';
import type { BpfObject, Native } from './native.ts';

/** The switch of bpf/tag.h. */
const MARKS_MAP = '.data.marks';

/** As in bpf/tag.h: a tag is one of 1..TAG_MAX, and four are not of flows. */
const TAG_MAX = 0x7ff;

/** Random bytes that the marks of one load are made of: a place, a seed, a factor. */
export const TAG_SECRET_BYTES = 2 + 8 + 8;

/**
 * How the marks of one load are made. With a secret nobody who knows the program knows which
 * mark a packet has, and which flows share theirs is another matter with each start.
 */
export function configureTags(view: DataView, secret: Uint8Array): void {
  const random = new DataView(secret.buffer, secret.byteOffset, secret.byteLength);
  const first = (random.getUint16(0, true) % TAG_MAX) + 1;
  view.setUint16(layout.tagFirst, first, true);
  const others = [
    layout.tagNotFlow,
    layout.tagUnmatched,
    layout.tagRejected,
    layout.tagSampledOut,
  ] as const;
  // The four before those of flows, in a circle.
  for (const [at, offset] of others.entries()) {
    view.setUint16(offset, ((first + TAG_MAX - 2 - at) % TAG_MAX) + 1, true);
  }
  view.setBigUint64(layout.tagSeed, random.getBigUint64(2, true), true);
  // An even one would lose bits of what it multiplies.
  view.setBigUint64(layout.tagFactor, random.getBigUint64(10, true) | 1n, true);
}

/** Whether hooks leave marks on packets, and believe them. */
export function setMarks(native: Pick<Native, 'updateMap'>, object: BpfObject, on: boolean): void {
  native.updateMap(object, MARKS_MAP, new Uint8Array(4), Uint8Array.of(on ? 1 : 0, 0, 0, 0));
}
