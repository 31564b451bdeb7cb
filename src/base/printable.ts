/** Unicode's control characters, characters that change the direction of text, and line ends. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * A name from an untrusted source in a form that is safe to show: a terminal acts on control
 * characters, and a line of a log or a table must not end in the middle of a name.
 */
export function printable(name: string): string {
  return name.replace(UNPRINTABLE, '\ufffd');
}
