import { config as layout } from '../drain/layout.gen.ts';
import type { BpfObject, Native } from './native.ts';

/** The switch of bpf/tag.h. */
const MARKS_MAP = '.data.marks';

/** As in bpf/tag.h: a tag is one of 1..TAG_MAX, and four of them do not belong to flows. */
const TAG_MAX = 0x7ff;

/** Random bytes for the marks of one load: a place, a seed, a factor. */
export const TAG_SECRET_BYTES = 2 + 8 + 8;

/**
 * Configures the marks of one load. The secret prevents anybody who knows the program from
 * predicting a packet's mark; which flows share a mark changes with each start.
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
  // The four tags before those of flows, in a circle.
  for (const [at, offset] of others.entries()) {
    view.setUint16(offset, ((first + TAG_MAX - 2 - at) % TAG_MAX) + 1, true);
  }
  view.setBigUint64(layout.tagSeed, random.getBigUint64(2, true), true);
  // An even factor would lose bits of the value that it multiplies.
  view.setBigUint64(layout.tagFactor, random.getBigUint64(10, true) | 1n, true);
}

/** Whether hooks leave marks on packets, and trust them. */
export function setMarks(native: Pick<Native, 'updateMap'>, object: BpfObject, on: boolean): void {
  native.updateMap(object, MARKS_MAP, new Uint8Array(4), Uint8Array.of(on ? 1 : 0, 0, 0, 0));
}
