/** Of Unicode: control characters, those that change the direction of text, ends of lines. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * A name that anybody may have given, as it can be shown: a terminal acts on control characters,
 * and lines of a log or a table must not end in the middle of a name.
 */
export function printable(name: string): string {
  return name.replace(UNPRINTABLE, '\ufffd');
}
