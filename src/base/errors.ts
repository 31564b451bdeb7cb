/**
 * The kind of a failure. The exit code of a command (`commands/report-error.ts`) and the HTTP
 * status of an answer (`console/server/reply-error.ts`) follow from it.
 *
 * - `usage`: the command line, the configuration or the request is wrong.
 * - `permission`: the caller lacks a right.
 * - `notFound`: nothing has the requested name.
 * - `limit`: a bound on size, time or rate is exceeded.
 * - `data`: bytes from outside (a file, a message) do not follow their format.
 * - `unavailable`: something that is needed cannot be reached, is busy or refuses.
 * - `internal`: a bug.
 */
export type ErrorKind =
  | 'usage'
  | 'permission'
  | 'notFound'
  | 'limit'
  | 'data'
  | 'unavailable'
  | 'internal';

/** Facts about one error in a table; `deploy/reference/errors.gen.md` shows it to users. */
export interface ErrorFacts {
  readonly kind: ErrorKind;
  /** The failure and its cause, in one or two sentences. */
  readonly meaning: string;
  /** Steps that the reader can take. */
  readonly remedy: string;
}

/** One row of a table made by `defineErrors`. */
export interface ErrorRow extends ErrorFacts {
  /** Stable; callers and users compare it. */
  readonly code: string;
}

/**
 * The error table of a folder. The code of a row is the prefix and the row's key in upper case:
 * `tooLong` in the table `ERR_CODEC_JSON` is `ERR_CODEC_JSON_TOO_LONG`. Add the table to
 * `scripts/gen-errors.ts`; a test fails otherwise.
 */
export function defineErrors<const Key extends string>(
  prefix: string,
  table: Readonly<Record<Key, ErrorFacts>>,
): Readonly<Record<Key, ErrorRow>> {
  const rows = Object.entries<ErrorFacts>(table).map(([key, facts]) => {
    const words = key.replace(/[A-Z]/g, (letter) => `_${letter}`);
    return [key, { code: `${prefix}_${words.toUpperCase()}`, ...facts }];
  });
  return Object.fromEntries(rows) as Record<Key, ErrorRow>;
}

/** Data that a coded error carries besides its message. */
export interface ErrorContext {
  readonly cause?: unknown;
  /** True when the same call may succeed later without any change. */
  readonly retryable?: boolean;
  /** The location (file, path, line, field …), for logs and JSON answers. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The only error type that this program throws on purpose.
 *
 * Callers and tests compare `code`, which is stable; `message` says what is wrong, where, and how
 * to correct it.
 */
export class NetobservError extends Error {
  override readonly name = 'NetobservError';
  readonly code: string;
  readonly kind: ErrorKind;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  // Private, so that the log, which writes all properties of an error, omits the prose.
  readonly #row: ErrorRow;

  constructor(row: ErrorRow, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.#row = row;
    this.code = row.code;
    this.kind = row.kind;
    this.retryable = context.retryable ?? false;
    this.details = context.details ?? {};
  }

  /** The row of the error table that this error was made from. */
  get row(): ErrorRow {
    return this.#row;
  }
}

/** True for an error with the given code: one of ours, by its row, or Node's own (`ENOENT` …). */
export function hasCode(error: unknown, wanted: ErrorRow | string): boolean {
  const code = typeof wanted === 'string' ? wanted : wanted.code;
  return error instanceof Error && 'code' in error && error.code === code;
}

/** One readable line: the message, then the chain of causes. */
export function explain(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  // A chain longer than this is a loop or noise.
  for (let depth = 0; depth < 8 && current !== undefined; depth++) {
    parts.push(current instanceof Error ? current.message : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}
