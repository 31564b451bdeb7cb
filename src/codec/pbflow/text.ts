import { uintBytes, writeUint } from './varint.ts';

/** Texts longer than this are cut; no field of ours comes near. */
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

/** Not within a character: readers refuse bytes that are no UTF-8. */
function cut(utf8: Uint8Array): Uint8Array {
  let end = TEXT_BYTES_MAX;
  while ((utf8[end]! & 0xc0) === 0x80) end--;
  return utf8.subarray(0, end);
}
