import { type ServiceError, status } from '@grpc/grpc-js';
import { NetobservError } from '../../base/errors.ts';
import { GRPC_ERRORS } from './errors.ts';

/**
 * Outcomes after which the same call may succeed: the server was not there, went away or was busy.
 * Not `DEADLINE_EXCEEDED`: a server that is only slow would do the same work again.
 */
const RETRYABLE: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.CANCELLED,
  status.ABORTED,
  status.INTERNAL,
  status.RESOURCE_EXHAUSTED,
]);

/** How servers, Go's and others, say that a message is above their limit. */
const TOO_LARGE = /larger than max/i;

/** What a call ended with, as one of our errors. */
export function callError(error: ServiceError, target: string): NetobservError {
  const name = status[error.code] ?? String(error.code);
  const context = { cause: error, details: { target, status: name } };
  const message = `${target}: ${name}: ${error.details}`;
  if (error.code === status.DEADLINE_EXCEEDED) {
    return new NetobservError(GRPC_ERRORS.timeout, message, context);
  }
  if (error.code === status.RESOURCE_EXHAUSTED && TOO_LARGE.test(error.details)) {
    return new NetobservError(GRPC_ERRORS.tooLarge, message, context);
  }
  const retryable = RETRYABLE.has(error.code);
  const code = retryable ? GRPC_ERRORS.unavailable : GRPC_ERRORS.refused;
  return new NetobservError(code, message, { ...context, retryable });
}
