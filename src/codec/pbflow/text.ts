import { uintBytes, writeUint } from '../varint.ts';

/** Longer texts are cut; no field comes near this. */
export const TEXT_BYTES_MAX = 4096;

const encoder = new TextEncoder();

/** Length and UTF-8 of a text. */
export function textFragment(text: string): Uint8Array {
  const whole = encoder.encode(text);
  const utf8 = whole.length <= TEXT_BYTES_MAX ? whole : cut(whole);
  const fragment = new Uint8Array(uintBytes(utf8.length) + utf8.length);
  fragment.set(utf8, writeUint(fragment, 0, utf8.length));
  return fragment;
}

/** Cuts between characters: readers refuse bytes that are not UTF-8. */
function cut(utf8: Uint8Array): Uint8Array {
  let end = TEXT_BYTES_MAX;
  while ((utf8[end]! & 0xc0) === 0x80) end--;
  return utf8.subarray(0, end);
}
