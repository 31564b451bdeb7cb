import type { InternTables } from '../../flow/intern.ts';
import type { InterfaceNames } from '../interfaces/names.ts';
import type { DrainBuffer } from './buffer.ts';
import { flowMetrics, ifindexSeen, observedInterface } from './layout.gen.ts';

/** Slots of interfaces that saw a flow: the first, and the end of the last, in 32-bit words. */
export const OBSERVED_AT = flowMetrics.observed >> 2;
export const OBSERVED_WORDS = observedInterface.sizeBytes >> 2;
export const OBSERVED_END = OBSERVED_AT + flowMetrics.observedMax * OBSERVED_WORDS;
/** Offset in a slot; 0 there: this slot and those after it are empty. */
export const SEEN_AT = observedInterface.ifindexSeen >> 2;

const NETNS_AT = observedInterface.netns >> 2;
const SRC_MAC_AT = flowMetrics.srcMac >> 1;
const DST_MAC_AT = flowMetrics.dstMac >> 1;

/**
 * Id of the name of the interface in the slot `at`, in words of the buffer, which belongs to the
 * entry `row`. Hooks may know an interface's number but not its namespace: then, among several of
 * one number, it is the one whose MAC the flow has, as its source on egress, as its destination on
 * ingress.
 */
export function observedName(
  { values16, values32, valueBytes }: DrainBuffer,
  row: number,
  at: number,
  names: InterfaceNames,
  tables: InternTables,
): number {
  const seen = values32[at + SEEN_AT]!;
  const index = seen & ifindexSeen.ifindexMask;
  if (names.exact) return names.idOf(values32[at + NETNS_AT]!, index, tables);
  const left = (seen & ifindexSeen.seenEgress) !== 0;
  const entered = (seen & ifindexSeen.seenIngress) !== 0;
  const first = values32[row * (valueBytes >> 2) + OBSERVED_AT + SEEN_AT]!;
  const leftFirst = (first & ifindexSeen.firstEgress) !== 0;
  const isSource = left && entered ? leftFirst : left;
  const mac = row * (valueBytes >> 1) + (isSource ? SRC_MAC_AT : DST_MAC_AT);
  const low = (values16[mac]! | (values16[mac + 1]! << 16)) >>> 0;
  return names.idByMac(index, low, values16[mac + 2]!, tables);
}
