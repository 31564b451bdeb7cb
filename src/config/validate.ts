import type { Static, TSchema } from 'typebox';
import { shown } from '../base/shown.ts';
import { suggestion } from '../base/suggest.ts';
import { parseDurationMs } from '../base/units.ts';
import type { ConfigDocument } from './document.ts';
import { DURATION_FORMAT, isRequired, type Shape, typeWords } from './schema.ts';

/** A document may have more problems; the first ones are enough to work on. */
export const PROBLEMS_MAX = 100;
const PATH_SHOWN_CHARS = 200;

/** Something that is wrong in a document. */
export interface Problem {
  /** `parameters[2].write.type`; empty for the document itself. */
  readonly path: string;
  /** `key`: unknown key; `type`: unknown alternative; `value`: any other. */
  readonly kind: 'key' | 'type' | 'duration' | 'value';
  /** The problem and how to correct it. */
  readonly text: string;
}

/** `value` is valid only if there are no problems. */
export interface Validated<T> {
  readonly value: T;
  readonly problems: readonly Problem[];
}

/**
 * Checks plain data against a schema. The value has defaults filled in and durations in
 * milliseconds; a null counts as absent. All problems are returned, at most `PROBLEMS_MAX`.
 *
 * Unlike a general validator this one selects the alternative of a union by its `type`, so that
 * problems are about the intended alternative.
 */
export function validate<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
): Validated<Static<Schema>> {
  const validation = new Validation();
  const parsed = validation.parse(schema as Shape, value, '');
  return { value: parsed as Static<Schema>, problems: validation.problems };
}

/** A line for each problem, in the order of the document where there is one. */
export function problemLines(
  problems: readonly Problem[],
  document?: ConfigDocument,
): readonly string[] {
  if (document === undefined) {
    return problems.map(({ path, text }) => (path === '' ? text : `${shownPath(path)}: ${text}`));
  }
  const lines = problems.map(({ path, kind, text }) => {
    const place = document.place(path, kind === 'key' ? 'key' : 'value');
    return { ...place, text: `${place.text}${path === '' ? '' : ` ${shownPath(path)}`}: ${text}` };
  });
  lines.sort((a, b) => a.line - b.line || a.column - b.column);
  return lines.map(({ text }) => text);
}

function shownPath(path: string): string {
  return path.length > PATH_SHOWN_CHARS ? `${path.slice(0, PATH_SHOWN_CHARS)}…` : path;
}

/** Data may be an object whose `toString` is not a function. */
function hintFor(value: unknown, known: readonly string[]): string {
  return typeof value === 'string' ? suggestion(value, known) : '';
}

class Validation {
  readonly problems: Problem[] = [];

  parse(shape: Shape, value: unknown, path: string): unknown {
    if (this.problems.length >= PROBLEMS_MAX) return undefined;
    if (shape.anyOf !== undefined) return this.#union(shape.anyOf, value, path);
    if (shape.enum !== undefined) return this.#word(shape.enum, value, path);
    if (shape.const !== undefined) return this.#word([shape.const], value, path);
    switch (shape.type) {
      case 'object':
        return this.#object(shape, value, path);
      case 'array':
        return this.#list(shape, value, path);
      case 'string':
        return shape.format === DURATION_FORMAT
          ? this.#duration(value, path)
          : this.#text(shape, value, path);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#wrong(path, 'true or false', value);
      case 'integer':
      case 'number':
        return this.#number(shape, value, path);
      default:
        return value;
    }
  }

  #object(shape: Shape, value: unknown, path: string): unknown {
    if (!isObject(value)) return this.#wrong(path, 'an object', value);
    const values = Object.values(shape.patternProperties ?? {})[0];
    if (values !== undefined) {
      const entries = Object.entries(value);
      return Object.fromEntries(
        entries.map(([key, item]) => [key, this.parse(values, item, at(path, key))]),
      );
    }
    const { properties = {} } = shape;
    this.#unknownKeys(Object.keys(properties), value, path);
    const parsed: Record<string, unknown> = {};
    for (const [key, property] of Object.entries(properties)) {
      const given = Object.hasOwn(value, key) ? value[key] : undefined;
      const used = given ?? property.default;
      if (used !== undefined) parsed[key] = this.parse(property, used, at(path, key));
      else if (isRequired(shape, key)) {
        const wanted = property.anyOf === undefined ? undefined : typeWords(property.anyOf);
        const known = wanted ?? property.enum?.map(String) ?? [];
        const hint = known.length === 0 ? '' : ` (known: ${known.join(', ')})`;
        this.#add(at(path, key), 'value', `is required${hint}`);
      }
    }
    return parsed;
  }

  #unknownKeys(known: readonly string[], value: object, path: string): void {
    for (const key of Object.keys(value)) {
      if (this.problems.length >= PROBLEMS_MAX) return;
      if (known.includes(key)) continue;
      this.#add(at(path, key), 'key', `unknown key "${shown(key)}"${suggestion(key, known)}`);
    }
  }

  #list(shape: Shape, value: unknown, path: string): unknown {
    if (!Array.isArray(value)) return this.#wrong(path, 'a list', value);
    if (value.length < (shape.minItems ?? 0)) {
      return this.#wrong(path, 'a list that is not empty', value);
    }
    const items = shape.items ?? {};
    return value.map((item, index) => this.parse(items, item, `${path}[${index}]`));
  }

  #text(shape: Shape, value: unknown, path: string): unknown {
    if (typeof value === 'number' || typeof value === 'boolean') {
      const problem = `must be a text, not ${show(value)}: write it in quotes, "${value}"`;
      return this.#add(path, 'value', problem);
    }
    if (typeof value !== 'string') return this.#wrong(path, 'a text', value);
    if (value.length >= (shape.minLength ?? 0)) return value;
    return this.#wrong(path, 'a text that is not empty', value);
  }

  #number(shape: Shape, value: unknown, path: string): unknown {
    const { minimum, maximum } = shape;
    const isWhole = shape.type === 'integer';
    const fits =
      typeof value === 'number' &&
      Number.isFinite(value) &&
      value >= (minimum ?? Number.NEGATIVE_INFINITY) &&
      value <= (maximum ?? Number.POSITIVE_INFINITY) &&
      (!isWhole || Number.isSafeInteger(value));
    if (fits) return value;
    const from = minimum === undefined ? '' : ` from ${minimum}`;
    const to = maximum === undefined ? '' : ` up to ${maximum}`;
    return this.#wrong(path, `${isWhole ? 'a whole number' : 'a number'}${from}${to}`, value);
  }

  #duration(value: unknown, path: string): unknown {
    const ms = typeof value === 'string' ? parseDurationMs(value) : undefined;
    if (ms !== undefined) return ms;
    if (value === 0) return 0;
    // Some readers would take a bare number for nanoseconds, others for seconds.
    const unit = typeof value === 'number' ? `: write the unit, "${value}s" for seconds` : '';
    const problem = `${show(value)} is not a duration such as 500ms, 30s or 2m${unit}`;
    return this.#add(path, 'duration', problem);
  }

  #word(words: readonly unknown[], value: unknown, path: string): unknown {
    if (words.includes(value)) return value;
    const hint = hintFor(value, words.map(String));
    return this.#add(path, 'value', `${show(value)} is not allowed here${hint}`);
  }

  #union(alternatives: readonly Shape[], value: unknown, path: string): unknown {
    const words = typeWords(alternatives);
    if (words !== undefined) return this.#typed(alternatives, words, value, path);
    const found = alternatives.find(({ type }) => type === typeOf(value));
    if (found !== undefined) return this.parse(found, value, path);
    return this.#wrong(path, alternatives.map(({ type }) => type).join(' or '), value);
  }

  #typed(
    alternatives: readonly Shape[],
    words: readonly string[],
    value: unknown,
    path: string,
  ): unknown {
    if (!isObject(value)) return this.#wrong(path, 'an object', value);
    const type = Object.hasOwn(value, 'type') ? value.type : undefined;
    const chosen = alternatives[words.indexOf(type as string)];
    if (chosen !== undefined) return this.parse(chosen, value, path);
    const problem =
      type === undefined || type === null
        ? `is required (known: ${words.join(', ')})`
        : `unknown type ${show(type)}${hintFor(type, words)}`;
    this.#add(at(path, 'type'), 'type', problem);
    this.#untyped(alternatives, words, value, path);
    return undefined;
  }

  /** Checks the rest of an object without a valid type, by the type whose options it has. */
  #untyped(
    alternatives: readonly Shape[],
    words: readonly string[],
    value: Record<string, unknown>,
    path: string,
  ): void {
    const meant = words.findIndex((word) => Object.hasOwn(value, word));
    if (meant !== -1) {
      this.parse(alternatives[meant]!, { ...value, type: words[meant] }, path);
      return;
    }
    const known = alternatives.flatMap(({ properties = {} }) => Object.keys(properties));
    this.#unknownKeys([...new Set(known)], value, path);
  }

  #wrong(path: string, wanted: string, value: unknown): undefined {
    return this.#add(path, 'value', `must be ${wanted}, not ${show(value)}`);
  }

  #add(path: string, kind: Problem['kind'], text: string): undefined {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ path, kind, text });
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value;
}

function at(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** The value as it may be written in the document, short enough for a message. */
function show(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.length === 0 ? '[]' : 'a list';
  if (isObject(value)) return Object.keys(value).length === 0 ? '{}' : 'an object';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
