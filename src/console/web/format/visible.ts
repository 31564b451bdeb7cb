/**
 * Characters that are invisible, or change how others are shown: controls, soft hyphens, direction
 * marks and overrides, joiners and zero-width spaces, line separators, fillers, tags.
 */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * A name made safe to read: anybody may have chosen it (DNS, TLS, processes), and one that reverses
 * the direction of text would look like another.
 */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (character) => `‹U+${hex(character)}›`);
}

/** JSON text with the same meaning, with such characters as escapes. */
export function visibleJson(json: string): string {
  return json.replace(INVISIBLE, (character) =>
    character === '\n' || character === '\t'
      ? character
      : [...units(character)].map((unit) => `\\u${unit}`).join(''),
  );
}

function hex(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}

function* units(character: string): Iterable<string> {
  for (let at = 0; at < character.length; at++) {
    yield character.charCodeAt(at).toString(16).padStart(4, '0');
  }
}
