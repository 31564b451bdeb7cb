import { NetobservError } from '../../base/errors.ts';
import type { ApiError } from '../api.ts';

/** Errors that are answers to a request, and the HTTP status of each. */
const ANSWERS = {
  ERR_CONSOLE_PARAMETER: 400,
  ERR_CONSOLE_BAD_REQUEST: 400,
  ERR_CONSOLE_DATA_SOURCE: 400,
  ERR_CONSOLE_UNSUPPORTED: 400,
  ERR_CONSOLE_UNAUTHENTICATED: 401,
  ERR_CONSOLE_HOST: 403,
  ERR_CONSOLE_ORIGIN: 403,
  ERR_CONSOLE_NOT_FOUND: 404,
  ERR_CONSOLE_METHOD: 405,
  ERR_CONSOLE_REQUEST_TIMEOUT: 408,
  ERR_CONSOLE_BODY_TOO_LARGE: 413,
  ERR_CONSOLE_LOGIN_RATE: 429,
  ERR_CONSOLE_HEADERS_TOO_LARGE: 431,
  /** The client went away, so nobody reads this one; the status is nginx's own for the case. */
  ERR_CONSOLE_CLIENT_GONE: 499,
  ERR_CONSOLE_INTERNAL: 500,
  ERR_CONSOLE_STORE: 500,
  ERR_CONSOLE_BUSY: 503,
  ERR_CONSOLE_STOPPING: 503,
  ERR_CONSOLE_STORE_UNAVAILABLE: 503,
  ERR_CONSOLE_QUERY_TIMEOUT: 504,
} as const;

export type AnswerCode = keyof typeof ANSWERS;

/** Errors that keep the console from starting. */
export type StartCode =
  | 'ERR_CONSOLE_LISTEN'
  | 'ERR_CONSOLE_LISTEN_IN_USE'
  | 'ERR_CONSOLE_LISTEN_DENIED'
  | 'ERR_CONSOLE_TOKEN_REQUIRED'
  | 'ERR_CONSOLE_TOKEN_FILE'
  | 'ERR_CONSOLE_WEB_ROOT';

/** What an answer carries besides its message. */
export interface AnswerContext {
  readonly cause?: unknown;
  readonly parameter?: string;
  readonly retryAfterS?: number;
  /** The original's flags, such as `lokiDisabled`. */
  readonly flags?: Pick<ApiError, 'lokiDisabled' | 'promDisabled'>;
}

/** An error that is the answer to a request; `reply-error.ts` turns it into one. */
export class AnswerError extends NetobservError {
  readonly status: number;
  readonly context: AnswerContext;

  constructor(code: AnswerCode, message: string, context: AnswerContext = {}) {
    super(code, message, { cause: context.cause, retryable: ANSWERS[code] >= 500 });
    this.status = ANSWERS[code];
    this.context = context;
  }
}

export function startError(code: StartCode, message: string, cause?: unknown): NetobservError {
  return new NetobservError(code, message, { cause });
}
