import kafkajs from 'kafkajs';
import { expect, test } from 'vitest';
import { failureOf } from '../../../../src/net/kafka/failure.ts';

const protocol = (type: string): Error =>
  new kafkajs.KafkaJSProtocolError(Object.assign(new Error(type), { type, code: 0 }));
const named = (name: string): Error => Object.assign(new Error(name), { name });

test.each([
  ['a leader that has moved', protocol('NOT_LEADER_FOR_PARTITION'), 'unsent'],
  ['no topic yet', protocol('UNKNOWN_TOPIC_OR_PARTITION'), 'unsent'],
  ['too few replicas, before', protocol('NOT_ENOUGH_REPLICAS'), 'unsent'],
  ['too few replicas, afterwards', protocol('NOT_ENOUGH_REPLICAS_AFTER_APPEND'), 'unknown'],
  ['replicas that are slow', protocol('REQUEST_TIMED_OUT'), 'unknown'],
  ['a request that is too large', protocol('MESSAGE_TOO_LARGE'), 'refused'],
  ['an earlier attempt had arrived', protocol('DUPLICATE_SEQUENCE_NUMBER'), 'duplicate'],
  ['the broker has forgotten us', protocol('UNKNOWN_PRODUCER_ID'), 'fenced'],
  ['a connection that broke', named('KafkaJSConnectionClosedError'), 'unknown'],
  ['no answer', named('KafkaJSRequestTimeoutError'), 'unknown'],
  ['no connection', named('KafkaJSConnectionError'), 'unsent'],
  ['anything else', new Error('?'), 'unsent'],
])('%s', (_why, error, outcome) => {
  expect(failureOf(error)).toEqual({ outcome, cause: error });
  // As kafkajs reports that it has given up.
  const wrapped = new Error('retries exceeded', { cause: error });
  expect(failureOf(wrapped)).toEqual({ outcome, cause: error });
});
