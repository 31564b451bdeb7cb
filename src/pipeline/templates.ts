/** Texts that refer to other fields of a flow, `$(Field)`. */
const REFERENCE = /\$\(([^)]+)\)/g;

/** The fields that a text refers to. */
export function fieldsIn(text: string): readonly string[] {
  return [...text.matchAll(REFERENCE)].map((match) => match[1]!);
}

/** The text with the values of the fields. */
export function filled(text: string, textOfField: (field: string) => string): string {
  return text.replace(REFERENCE, (_reference, field: string) => textOfField(field));
}
