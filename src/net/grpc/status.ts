import { type ServiceError, status } from '@grpc/grpc-js';
import { NetobservError } from '../../base/errors.ts';
import { GRPC_ERRORS } from './errors.ts';

/**
 * Outcomes after which the same call may succeed: the server was unreachable, disconnected or busy.
 * Not `DEADLINE_EXCEEDED`: a slow server would do the same work again.
 */
const RETRYABLE: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.CANCELLED,
  status.ABORTED,
  status.INTERNAL,
  status.RESOURCE_EXHAUSTED,
]);

/** How servers, Go's and others, report that a message is above their limit. */
const TOO_LARGE = /larger than max/i;

/** Converts the failure of a call to a `NetobservError`. */
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
