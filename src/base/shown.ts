/** Characters of untrusted text that a message repeats; the rest is noise. */
const SHOWN_CHARS_MAX = 100;

/** A text as messages show it, cut short. */
export function shown(text: string): string {
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}

/** One problem as it is, several as a list below a heading. */
export function listed(heading: string, problems: readonly string[]): string {
  return problems.length === 1 ? problems[0]! : `${heading}:\n  ${problems.join('\n  ')}`;
}

/** Text of a value of unknown kind; an object has none of its own. */
export function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
