import { type FlowBatch, type ListColumn, pushList } from '../../flow/batch.ts';
import type { InterfaceNames } from '../interfaces/names.ts';
import type { DrainBuffer } from './buffer.ts';
import { flowMetrics, ifindexSeen, observedInterface } from './layout.gen.ts';

const OBSERVED_AT = flowMetrics.observed >> 2;
const OBSERVED_WORDS = observedInterface.sizeBytes >> 2;
const OBSERVED_END = OBSERVED_AT + flowMetrics.observedMax * OBSERVED_WORDS;
const SEEN_AT = observedInterface.ifindexSeen >> 2;
const SRC_MAC_AT = flowMetrics.srcMac >> 1;
const DST_MAC_AT = flowMetrics.dstMac >> 1;

/**
 * Names where hooks know an interface's number but not its namespace. Of several interfaces of one
 * number it is the one whose MAC the flow has: as its source where it left, as its destination
 * where it came in.
 */
export function interfaceNamesByMac(
  { length, tables }: FlowBatch,
  { values, values16, values32, valueBytes }: DrainBuffer,
  column: ListColumn,
  names: InterfaceNames,
): void {
  let end = 0;
  for (let row = 0, base = 0; row < length; row++, base += valueBytes >> 2) {
    const leftFirst = values[row * valueBytes + flowMetrics.firstDirection] !== 0;
    for (let at = base + OBSERVED_AT; at < base + OBSERVED_END; at += OBSERVED_WORDS) {
      const seen = values32[at + SEEN_AT]!;
      if (seen === 0) break;
      const left = (seen & ifindexSeen.seenEgress) !== 0;
      const entered = (seen & ifindexSeen.seenIngress) !== 0;
      const isSource = left && entered ? leftFirst : left;
      const mac = row * (valueBytes >> 1) + (isSource ? SRC_MAC_AT : DST_MAC_AT);
      const low = (values16[mac]! | (values16[mac + 1]! << 16)) >>> 0;
      const index = seen & ifindexSeen.ifindexMask;
      end = pushList(column, end, names.idByMac(index, low, values16[mac + 2]!, tables));
    }
    column.offsets[row + 1] = end;
  }
}
