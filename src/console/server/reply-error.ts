import type { FastifyError, FastifyReply } from 'fastify';
import { type ErrorRow, explain, hasCode, NetobservError } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ApiError } from '../api.ts';
import { ANSWERS, AnswerError } from './errors.ts';

/** Answers with an error in the one format of all of `/api`. */
export function replyError(reply: FastifyReply, error: AnswerError): FastifyReply {
  const { parameter, retryAfterS, flags } = error.context;
  if (retryAfterS !== undefined) reply.header('retry-after', String(retryAfterS));
  if (hasCode(error, ANSWERS.unauthenticated)) {
    reply.header('www-authenticate', 'Bearer realm="netobserv"');
  }
  const body: ApiError = {
    code: error.code,
    message: error.message,
    ...(parameter === undefined ? {} : { parameter }),
    ...flags,
  };
  return reply
    .code(error.status)
    .header('cache-control', 'no-store')
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(body));
}

/** Fastify's own refusals, made before any of our code runs. */
const FRAMEWORK_ANSWERS: Readonly<Record<string, readonly [ErrorRow, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [ANSWERS.bodyTooLarge, 'the body is too large'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    ANSWERS.badRequest,
    'the body must be JSON with the header "Content-Type: application/json"',
  ],
  FST_ERR_CTP_INVALID_JSON_BODY: [ANSWERS.badRequest, 'the body is not valid JSON'],
  FST_ERR_CTP_EMPTY_JSON_BODY: [ANSWERS.badRequest, 'the body is empty'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    ANSWERS.badRequest,
    'the body is not as long as Content-Length says',
  ],
  FST_ERR_BAD_URL: [ANSWERS.badRequest, 'the path is not a valid URL path'],
};

/** The answer for an error of a handler; unexpected errors are logged and not shown. */
export function asAnswer(error: unknown, log: Log): AnswerError {
  if (error instanceof AnswerError) return error;
  if (error instanceof NetobservError) return fromStore(error, log);
  const known = FRAMEWORK_ANSWERS[(error as Partial<FastifyError> | undefined)?.code ?? ''];
  if (known !== undefined) return new AnswerError(known[0], known[1], { cause: error });
  const status = (error as Partial<FastifyError> | undefined)?.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    return new AnswerError(ANSWERS.badRequest, explain(error), { cause: error });
  }
  log.error({ component: 'console', err: error }, 'request failed');
  return new AnswerError(ANSWERS.internal, 'something went wrong here: see the log', {
    cause: error,
  });
}

/**
 * The answer for an error of the layers below. Their messages are written for people and are passed
 * on; the causes are only for the log.
 */
function fromStore(error: NetobservError, log: Log): AnswerError {
  const parameter = error.details.parameter;
  const context = {
    cause: error,
    ...(typeof parameter === 'string' ? { parameter } : {}),
  };
  // Mistakes in the request, not failures of the store.
  if (error.kind === 'usage') return new AnswerError(ANSWERS.parameter, error.message, context);
  if (error.kind === 'limit') return new AnswerError(ANSWERS.unsupported, error.message, context);
  log.error({ component: 'console', err: error }, 'the store failed to answer');
  if (error.kind !== 'unavailable') return new AnswerError(ANSWERS.store, error.message, context);
  return new AnswerError(ANSWERS.storeUnavailable, error.message, {
    ...context,
    ...(error.retryable ? { retryAfterS: 1 } : {}),
  });
}
