import { parseDurationMs, parseSizeBytes } from '../base/units.ts';

/**
 * One table of options per component defines its configuration type, its environment variables, its
 * flags (the same names in kebab case) and the reference page.
 */
export interface Option<T> {
  /** Environment variable, `CACHE_ACTIVE_TIMEOUT`; the flag is `--cache-active-timeout`. */
  readonly env: string;
  /** Word for the kind of value in `--help` and in errors: `duration`, `integer` … */
  readonly type:
    | 'string'
    | 'boolean'
    | 'integer'
    | 'duration'
    | 'size'
    | 'list'
    | 'choice'
    | 'json';
  readonly describe: string;
  /** As written in the environment. The empty text means the default. */
  readonly fallback: string;
  readonly choices?: readonly string[];
  /** Replaces any invalid text in the environment, with a warning. */
  readonly otherwise?: string;
  /** Parses a non-empty text; undefined when the text is not of this type. */
  readonly parse: (text: string) => T | undefined;
  /** The expected form, for the error message: `a duration such as 5s`. */
  readonly wanted: string;
  /** An empty text is an error: the default would leave something unprotected. */
  readonly isNeverEmpty?: boolean;
  /** For structured values: the problems of a text that cannot be parsed, a line each. */
  readonly problems?: (text: string) => readonly string[];
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The configuration that a table describes. */
export type Configured<Table extends OptionTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Option<infer T> ? T : never;
};

export function text(env: string, fallback: string, describe: string): Option<string> {
  return { env, type: 'string', describe, fallback, parse: (value) => value, wanted: 'a text' };
}

/** The path of a file. An empty value (`--token-file "$UNSET"`) is an error. */
export function path(env: string, describe: string): Option<string> {
  return { ...text(env, '', describe), wanted: 'the path of a file', isNeverEmpty: true };
}

export function flag(env: string, fallback: boolean, describe: string): Option<boolean> {
  const words: Readonly<Record<string, boolean>> = {
    true: true,
    t: true,
    '1': true,
    yes: true,
    false: false,
    f: false,
    '0': false,
    no: false,
  };
  return {
    env,
    type: 'boolean',
    describe,
    fallback: String(fallback),
    parse: (value) => words[value.toLowerCase()],
    wanted: 'true or false',
  };
}

export function integer(
  env: string,
  fallback: number,
  describe: string,
  range: {
    readonly min: number;
    readonly max: number;
    /** 0 means the default, as in Go programs, where an unset field is 0. */
    readonly zeroIsDefault?: boolean;
  },
): Option<number> {
  const { min, max, zeroIsDefault = false } = range;
  return {
    env,
    type: 'integer',
    describe,
    fallback: String(fallback),
    parse(value) {
      if (!/^[-+]?\d+$/.test(value)) return undefined;
      const number = Number(value);
      if (number === 0 && zeroIsDefault) return fallback;
      return number >= min && number <= max ? number : undefined;
    },
    wanted: `a whole number from ${min} to ${max}${zeroIsDefault ? ', or 0 for the default' : ''}`,
  };
}

/** Go-style (`1m30s`), read as milliseconds. */
export function duration(env: string, fallback: string, describe: string): Option<number> {
  return {
    env,
    type: 'duration',
    describe,
    fallback,
    parse: parseDurationMs,
    wanted: 'a duration such as 500ms, 5s or 1m30s',
  };
}

/** `10GiB`, `500MB`, read as bytes. */
export function size(env: string, fallback: string, describe: string): Option<number> {
  return {
    env,
    type: 'size',
    describe,
    fallback,
    parse: parseSizeBytes,
    wanted: 'a size such as 500MB or 10GiB',
  };
}

export function list(env: string, fallback: string, describe: string): Option<readonly string[]> {
  return {
    env,
    type: 'list',
    describe,
    fallback,
    parse: (value) =>
      value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    wanted: 'a comma-separated list',
  };
}

/** A structured value. Flags and the environment may name a file that contains it, `@PATH`. */
export function structured<T>(
  env: string,
  describe: string,
  read: (text: string) => { readonly value: T } | { readonly problems: readonly string[] },
): Option<T | undefined> {
  return {
    env,
    type: 'json',
    describe,
    fallback: '',
    parse(value) {
      const result = read(value);
      return 'value' in result ? result.value : undefined;
    },
    problems(value) {
      const result = read(value);
      return 'problems' in result ? result.problems : [];
    },
    wanted: 'such a value',
  };
}

export function choice<const Word extends string>(
  env: string,
  choices: readonly Word[],
  fallback: Word,
  describe: string,
  { otherwise }: { readonly otherwise?: NoInfer<Word> } = {},
): Option<Word> {
  return {
    env,
    type: 'choice',
    describe,
    fallback,
    choices,
    ...(otherwise === undefined ? {} : { otherwise }),
    parse(value) {
      const wanted = value.toLowerCase();
      return choices.find((word) => word.toLowerCase() === wanted);
    },
    wanted: `one of ${choices.join(', ')}`,
  };
}
