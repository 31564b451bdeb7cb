import { Type } from 'typebox';

/** The name of a flow's field. */
export function fieldName(description: string) {
  return Type.String({ minLength: 1, description });
}

/** A text that may be empty. */
export function optionalText(description: string, fallback = '') {
  return Type.String({ default: fallback, description });
}
