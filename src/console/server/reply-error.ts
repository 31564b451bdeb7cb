import type { FastifyError, FastifyReply } from 'fastify';
import { explain, NetobservError } from '../../base/errors.ts';
import { STORE_ERRORS } from '../../store/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ApiError } from '../api.ts';
import { type AnswerCode, AnswerError } from './errors.ts';

/** Answers with an error in the one shape that all of `/api` has. */
export function replyError(reply: FastifyReply, error: AnswerError): FastifyReply {
  const { parameter, retryAfterS, flags } = error.context;
  if (retryAfterS !== undefined) reply.header('retry-after', String(retryAfterS));
  if (error.code === 'ERR_CONSOLE_UNAUTHENTICATED') {
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

/** Fastify's own refusals, which it makes before any of our code runs. */
const FRAMEWORK_ANSWERS: Readonly<Record<string, readonly [AnswerCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['ERR_CONSOLE_BODY_TOO_LARGE', 'the body is too large'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'ERR_CONSOLE_BAD_REQUEST',
    'the body must be JSON with the header "Content-Type: application/json"',
  ],
  FST_ERR_CTP_INVALID_JSON_BODY: ['ERR_CONSOLE_BAD_REQUEST', 'the body is no valid JSON'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['ERR_CONSOLE_BAD_REQUEST', 'the body is empty'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'ERR_CONSOLE_BAD_REQUEST',
    'the body is not as long as Content-Length says',
  ],
  FST_ERR_BAD_URL: ['ERR_CONSOLE_BAD_REQUEST', 'the path is not a valid URL path'],
};

/** The answer for whatever a handler threw; what nobody expected is logged and not shown. */
export function asAnswer(error: unknown, log: Log): AnswerError {
  if (error instanceof AnswerError) return error;
  if (error instanceof NetobservError) return fromStore(error, log);
  const known = FRAMEWORK_ANSWERS[(error as Partial<FastifyError> | undefined)?.code ?? ''];
  if (known !== undefined) return new AnswerError(known[0], known[1], { cause: error });
  const status = (error as Partial<FastifyError> | undefined)?.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    return new AnswerError('ERR_CONSOLE_BAD_REQUEST', explain(error), { cause: error });
  }
  log.error({ component: 'console', err: error }, 'request failed');
  return new AnswerError('ERR_CONSOLE_INTERNAL', 'something went wrong here: see the log', {
    cause: error,
  });
}

/**
 * Coded errors of the layers below are written for people, so their message is passed on; what
 * caused them is for the log. Those of the query layer are the asker's doing, as is a question that
 * needs more memory than there is.
 */
function fromStore(error: NetobservError, log: Log): AnswerError {
  const parameter = error.details.parameter;
  const context = {
    cause: error,
    ...(typeof parameter === 'string' ? { parameter } : {}),
  };
  if (error.code.startsWith('ERR_QUERY_')) {
    return new AnswerError('ERR_CONSOLE_PARAMETER', error.message, context);
  }
  if (error.code === STORE_ERRORS.memory) {
    return new AnswerError('ERR_CONSOLE_UNSUPPORTED', error.message, context);
  }
  log.error({ component: 'console', err: error }, 'the store failed to answer');
  if (error.retryable) {
    return new AnswerError('ERR_CONSOLE_STORE_UNAVAILABLE', error.message, {
      ...context,
      retryAfterS: 1,
    });
  }
  return new AnswerError('ERR_CONSOLE_STORE', error.message, context);
}
