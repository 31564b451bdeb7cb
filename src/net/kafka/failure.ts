import kafkajs from 'kafkajs';
import { NetobservError } from '../../base/errors.ts';
import { NET_ERRORS } from '../errors.ts';

/** What an attempt to produce came to. */
export interface ProduceFailure {
  /**
   * `refused`: not taken, and would not be the next time; `unsent`: not taken, another attempt may
   * succeed; `unknown`: it may have been taken; `fenced`: not taken, and the producer's identity is
   * of no use any more; `duplicate`: it had been taken by an earlier attempt.
   */
  readonly outcome: 'refused' | 'unsent' | 'unknown' | 'fenced' | 'duplicate';
  readonly cause: unknown;
}

/** Types of protocol errors that say more than that the broker has not taken the records. */
const OUTCOMES: Readonly<Record<string, ProduceFailure['outcome']>> = {
  DUPLICATE_SEQUENCE_NUMBER: 'duplicate',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'fenced',
  UNKNOWN_PRODUCER_ID: 'fenced',
  INVALID_PRODUCER_EPOCH: 'fenced',
  // The leader has it, other replicas may not.
  REQUEST_TIMED_OUT: 'unknown',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'unknown',
  MESSAGE_TOO_LARGE: 'refused',
  RECORD_LIST_TOO_LARGE: 'refused',
  CORRUPT_MESSAGE: 'refused',
  UNSUPPORTED_COMPRESSION_TYPE: 'refused',
  INVALID_TOPIC_EXCEPTION: 'refused',
  INVALID_RECORD: 'refused',
};

/** Names of errors after a request had left; not all of their classes are exported. */
const UNANSWERED = new Set(['KafkaJSConnectionClosedError', 'KafkaJSRequestTimeoutError']);

export function failureOf(error: unknown): ProduceFailure {
  const cause = rootOf(error);
  const type = cause instanceof kafkajs.KafkaJSProtocolError ? cause.type : undefined;
  if (type !== undefined) return { outcome: OUTCOMES[type] ?? 'unsent', cause };
  const mayHaveArrived = cause instanceof Error && UNANSWERED.has(cause.name);
  return { outcome: mayHaveArrived ? 'unknown' : 'unsent', cause };
}

/** kafkajs wraps what made it give up. */
function rootOf(error: unknown): unknown {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  return root;
}

/** With `send` as its code it may be tried again. */
export function kafkaError(
  what: string,
  cause: unknown,
  code: 'send' | 'refused' | 'unanswered',
): NetobservError {
  return new NetobservError(NET_ERRORS[code], what, { cause, retryable: code === 'send' });
}
