import type { TemplateField } from './plan.ts';

/** NetFlow 5 has one format of records, written here as a template of NetFlow 9. */

export const V5_HEADER_BYTES = 24;
export const V5_RECORD_BYTES = 48;
/** The sampling interval; the two bits above are the mode. */
export const V5_SAMPLING_MASK = 0x3fff;

/** paddingOctets. */
const PADDING = 210;

export const V5_FIELDS: readonly TemplateField[] = (
  [
    [8, 4], // srcaddr
    [12, 4], // dstaddr
    [15, 4], // nexthop
    [10, 2], // input
    [14, 2], // output
    [2, 4], // dPkts
    [1, 4], // dOctets
    [22, 4], // First
    [21, 4], // Last
    [7, 2], // srcport
    [11, 2], // dstport
    [PADDING, 1],
    [6, 1], // tcp_flags
    [4, 1], // prot
    [5, 1], // tos
    [16, 2], // src_as
    [17, 2], // dst_as
    [9, 1], // src_mask
    [13, 1], // dst_mask
    [PADDING, 2],
  ] as const
).map(([id, length]) => ({ enterprise: 0, id, length }));
