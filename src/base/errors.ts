/** What a coded error carries besides its message. */
export interface ErrorContext {
  readonly cause?: unknown;
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retryable?: boolean;
  /** Where it happened (file, path, line, field …), for logs and JSON answers. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The only error type that this program throws on purpose.
 *
 * `code` is stable (`ERR_<FOLDER>_<WHAT>`, listed in one table per folder) and is what callers
 * and tests compare; `message` says what is wrong, where, and what would be right.
 */
export class NetobservError extends Error {
  override readonly name = 'NetobservError';
  readonly code: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.code = code;
    this.retryable = context.retryable ?? false;
    this.details = context.details ?? {};
  }
}

/** True for an error that carries the given code, ours or Node's own (`ENOENT` …). */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** One line for a person: the message, then the chain of causes. */
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
