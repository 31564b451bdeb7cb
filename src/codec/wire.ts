/** Wire types of protobuf, in the low three bits of a tag. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, fixed32: 5 } as const;

/** Mask of the wire type in a tag. */
export const WIRE_MASK = 7;
