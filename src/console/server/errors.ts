import { defineErrors, type ErrorKind, type ErrorRow, NetobservError } from '../../base/errors.ts';
import type { ApiError } from '../api.ts';

/** Errors that are answers to a request. */
export const ANSWERS = defineErrors('ERR_CONSOLE', {
  parameter: {
    kind: 'usage',
    meaning: 'A parameter of the request has a wrong value. The answer names it.',
    remedy: 'Correct the parameter.',
  },
  badRequest: {
    kind: 'usage',
    meaning: 'The request is not valid HTTP, or its body is not valid JSON.',
    remedy: 'Correct the request.',
  },
  dataSource: {
    kind: 'usage',
    meaning: 'The request asks for a data source that this console does not have.',
    remedy: 'Ask the data source in the message.',
  },
  unsupported: {
    kind: 'usage',
    meaning: 'The request asks for something that this console cannot answer.',
    remedy: 'Ask for less, or as the message says.',
  },
  unauthenticated: {
    kind: 'permission',
    meaning: 'The request has no valid token and no session.',
    remedy: 'Log in, or send the token as "Authorization: Bearer TOKEN".',
  },
  host: {
    kind: 'permission',
    meaning: 'The request uses a host name that the console does not answer to.',
    remedy: 'Add the name to --allowed-hosts.',
  },
  origin: {
    kind: 'permission',
    meaning: 'A page of another origin made the request.',
    remedy: 'Use the console’s own page, or add the origin’s host to --allowed-hosts.',
  },
  notFound: {
    kind: 'notFound',
    meaning: 'Nothing is at this path.',
    remedy: 'Correct the path.',
  },
  method: {
    kind: 'usage',
    meaning: 'The path does not take this HTTP method.',
    remedy: 'Use a method that the header "Allow" lists.',
  },
  requestTimeout: {
    kind: 'limit',
    meaning: 'The request did not arrive completely in time.',
    remedy: 'Try again; check the connection.',
  },
  bodyTooLarge: {
    kind: 'limit',
    meaning: 'The body of the request is too large.',
    remedy: 'Send less.',
  },
  loginRate: {
    kind: 'limit',
    meaning: 'Too many wrong tokens came from one address.',
    remedy: 'Wait as long as the header "Retry-After" says.',
  },
  headersTooLarge: {
    kind: 'limit',
    meaning: 'The address and the headers of the request are too long.',
    remedy: 'Use fewer filters, or delete the cookies of this host.',
  },
  clientGone: {
    kind: 'unavailable',
    meaning:
      'The client hung up before the answer was ready. Only logs and metrics show this error.',
    remedy: 'Nothing.',
  },
  internal: {
    kind: 'internal',
    meaning: 'The console failed in an unexpected way.',
    remedy: 'See the log; please report it as a bug.',
  },
  store: {
    kind: 'internal',
    meaning: 'The store failed to answer.',
    remedy: 'See the message and the log.',
  },
  busy: {
    kind: 'unavailable',
    meaning: 'Too many requests are being answered.',
    remedy: 'Try again shortly.',
  },
  stopping: {
    kind: 'unavailable',
    meaning: 'The console is shutting down.',
    remedy: 'Try again when it runs.',
  },
  storeUnavailable: {
    kind: 'unavailable',
    meaning: 'The store cannot answer at the moment.',
    remedy: 'Try again as the header "Retry-After" says, if present.',
  },
  queryTimeout: {
    kind: 'limit',
    meaning: 'The query took too long and was cancelled.',
    remedy: 'Shorten the time range, or use more filters.',
  },
});

/** Errors that keep the console from starting. */
export const START_ERRORS = defineErrors('ERR_CONSOLE', {
  listen: {
    kind: 'unavailable',
    meaning: 'The console cannot listen on its address.',
    remedy: 'Choose an address of this machine with --listen HOST:PORT.',
  },
  listenInUse: {
    kind: 'unavailable',
    meaning: 'Another process listens on the console’s port.',
    remedy: 'Stop the other process, or choose another port with --listen HOST:PORT.',
  },
  listenDenied: {
    kind: 'permission',
    meaning: 'This user must not listen on the console’s port.',
    remedy: 'Choose a port above 1023 with --listen HOST:PORT.',
  },
  tokenRequired: {
    kind: 'usage',
    meaning: 'Other machines could reach the console, but no token protects it.',
    remedy: 'Use --token-file FILE, or listen on 127.0.0.1.',
  },
  tokenFile: {
    kind: 'usage',
    meaning: 'The token file cannot be read or made, or does not hold a token.',
    remedy: 'Correct the path or the file; "openssl rand -hex 32" makes a good token.',
  },
  webRoot: {
    kind: 'usage',
    meaning: 'The folder of the console’s front end does not contain it.',
    remedy: 'Run "npm run build", or correct the folder.',
  },
});

/** HTTP status of an error, by its kind. */
const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  usage: 400,
  permission: 403,
  notFound: 404,
  limit: 429,
  data: 500,
  internal: 500,
  unavailable: 503,
};

/** Statuses that HTTP has for one specific situation. */
const STATUS_OF_ANSWER: ReadonlyMap<ErrorRow, number> = new Map([
  [ANSWERS.unauthenticated, 401],
  [ANSWERS.method, 405],
  [ANSWERS.requestTimeout, 408],
  [ANSWERS.bodyTooLarge, 413],
  [ANSWERS.headersTooLarge, 431],
  // Nobody reads this answer; the status is nginx's.
  [ANSWERS.clientGone, 499],
  [ANSWERS.queryTimeout, 504],
]);

export function statusOf(row: ErrorRow): number {
  return STATUS_OF_ANSWER.get(row) ?? STATUS_OF_KIND[row.kind];
}

/** Parts of an answer besides its message. */
export interface AnswerContext {
  readonly cause?: unknown;
  readonly parameter?: string;
  readonly retryAfterS?: number;
  /** The flags of the console plugin's API, such as `lokiDisabled`. */
  readonly flags?: Pick<ApiError, 'lokiDisabled' | 'promDisabled'>;
}

/** An error that is the answer to a request; `reply-error.ts` turns it into one. */
export class AnswerError extends NetobservError {
  readonly status: number;
  readonly context: AnswerContext;

  constructor(row: ErrorRow, message: string, context: AnswerContext = {}) {
    super(row, message, { cause: context.cause });
    this.status = statusOf(row);
    this.context = context;
  }
}

export function startError(row: ErrorRow, message: string, cause?: unknown): NetobservError {
  return new NetobservError(row, message, { cause });
}
