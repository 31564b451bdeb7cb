import { type TObject, type TProperties, Type } from 'typebox';

/**
 * Parts of the schemas of configuration documents. A schema is plain JSON Schema; `validate.ts`
 * reads it, and `describe.ts` writes the reference page from it.
 */

/** The format of durations. JSON Schema's own `duration` means ISO 8601. */
export const DURATION_FORMAT = 'go-duration';

/** An object that refuses other keys. `description` states its purpose. */
export function strictObject<Properties extends TProperties>(
  properties: Properties,
  options: { readonly description: string; readonly [keyword: string]: unknown },
) {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

/** One alternative of a union of objects: the one with this `type`. */
export function typed<const Word extends string, Properties extends TProperties>(
  type: Word,
  properties: Properties,
  description: string,
): TObject<{ type: ReturnType<typeof Type.Literal<Word>> } & Properties> {
  const word = Type.Literal(type, { description: `Selects ${type}.` });
  return strictObject({ type: word, ...properties }, { description });
}

/** A duration such as `30s` in the document, milliseconds in the program. */
export function duration(options: { readonly description: string; readonly default?: string }) {
  return Type.Unsafe<number>({ type: 'string', format: DURATION_FORMAT, ...options });
}

/** One of a few words. */
export function word<const Word extends string>(
  words: readonly Word[],
  options: { readonly description: string; readonly default?: NoInfer<Word> },
) {
  return Type.Enum([...words], options);
}

/** The part of JSON Schema that these schemas use; `validate` knows no other keyword. */
export interface Shape {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Shape[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: boolean;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
}

/** The words of a union of objects that is chosen by `type`; undefined for any other union. */
export function typeWords(alternatives: readonly Shape[]): readonly string[] | undefined {
  const words = alternatives.map((one) => one.properties?.type?.const);
  return words.every((one) => typeof one === 'string') ? (words as string[]) : undefined;
}

/** Whether the document must have the key: it is required and has no default. */
export function isRequired({ required, properties }: Shape, key: string): boolean {
  return required?.includes(key) === true && properties?.[key]?.default === undefined;
}
