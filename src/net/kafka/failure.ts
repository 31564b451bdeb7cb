import kafkajs from 'kafkajs';
import { NetobservError } from '../../base/errors.ts';
import { NET_ERRORS } from '../errors.ts';

/** Outcome of a failed attempt to produce. */
export interface ProduceFailure {
  /**
   * `refused`: not taken, and another attempt would fail as well; `unsent`: not taken, another
   * attempt may succeed; `unknown`: it may have been taken; `fenced`: not taken, and the producer's
   * identity is no longer valid; `duplicate`: an earlier attempt was taken.
   */
  readonly outcome: 'refused' | 'unsent' | 'unknown' | 'fenced' | 'duplicate';
  readonly cause: unknown;
}

/** Protocol errors that mean more than that the broker has not taken the records. */
const OUTCOMES: Readonly<Record<string, ProduceFailure['outcome']>> = {
  DUPLICATE_SEQUENCE_NUMBER: 'duplicate',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'fenced',
  UNKNOWN_PRODUCER_ID: 'fenced',
  INVALID_PRODUCER_EPOCH: 'fenced',
  // The leader has the records, other replicas may not.
  REQUEST_TIMED_OUT: 'unknown',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'unknown',
  MESSAGE_TOO_LARGE: 'refused',
  RECORD_LIST_TOO_LARGE: 'refused',
  CORRUPT_MESSAGE: 'refused',
  UNSUPPORTED_COMPRESSION_TYPE: 'refused',
  INVALID_TOPIC_EXCEPTION: 'refused',
  INVALID_RECORD: 'refused',
};

/** Names of errors after a request was sent; not all of their classes are exported. */
const UNANSWERED = new Set(['KafkaJSConnectionClosedError', 'KafkaJSRequestTimeoutError']);

export function failureOf(error: unknown): ProduceFailure {
  const cause = rootOf(error);
  const type = cause instanceof kafkajs.KafkaJSProtocolError ? cause.type : undefined;
  if (type !== undefined) return { outcome: OUTCOMES[type] ?? 'unsent', cause };
  const mayHaveArrived = cause instanceof Error && UNANSWERED.has(cause.name);
  return { outcome: mayHaveArrived ? 'unknown' : 'unsent', cause };
}

/** kafkajs wraps the cause of its failure. */
function rootOf(error: unknown): unknown {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  return root;
}

/** Only with the code `send` may it be tried again. */
export function kafkaError(
  what: string,
  cause: unknown,
  code: 'send' | 'refused' | 'unanswered',
): NetobservError {
  return new NetobservError(NET_ERRORS[code], what, { cause, retryable: code === 'send' });
}
