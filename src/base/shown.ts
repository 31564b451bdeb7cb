/** Characters of untrusted text that a message repeats; the rest is noise. */
const SHOWN_CHARS_MAX = 100;

/** A text as messages show it, cut short. */
export function shown(text: string): string {
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}
