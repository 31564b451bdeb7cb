import { WIRE, WIRE_MASK } from '../wire.ts';
import { WireReader } from '../wire-reader.ts';

/** Tag of `Flow.genericMap`: field 1, a `google.protobuf.Any`. */
export const FLOW_MAP_TAG = (1 << 3) | WIRE.bytes;
/** Tag of `Any.value`: field 2. `Any.type_url` is empty. */
export const ANY_VALUE_TAG = (2 << 3) | WIRE.bytes;

const reader = new WireReader();

/**
 * The JSON of the flow in a message `genericmap.Flow`, empty if it has none. Throws a coded error
 * for a damaged message.
 */
export function readGenericMap(message: Uint8Array<ArrayBuffer>): Uint8Array {
  reader.reset(message, 0, message.length);
  const any = lastPart(FLOW_MAP_TAG);
  reader.reset(message, any.from, any.to);
  const { from, to } = lastPart(ANY_VALUE_TAG);
  return message.subarray(from, to);
}

/** Where the last field with this tag is: protobuf lets a later one replace an earlier one. */
function lastPart(tag: number): { readonly from: number; readonly to: number } {
  let part = { from: reader.end, to: reader.end };
  while (reader.at < reader.end) {
    const found = reader.tag();
    if (found !== tag) {
      reader.skip(found & WIRE_MASK);
      continue;
    }
    const to = reader.length();
    part = { from: reader.at, to };
    reader.at = to;
  }
  return part;
}
