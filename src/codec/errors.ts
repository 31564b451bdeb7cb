import { defineErrors, type ErrorRow, NetobservError } from '../base/errors.ts';

/** Errors of messages of protobuf, whatever their protocol. */
export const PROTOBUF_ERRORS = defineErrors('ERR_CODEC_PROTOBUF', {
  truncated: {
    kind: 'data',
    meaning: 'A length or a number in a message reaches beyond the end of the message.',
    remedy: 'Check the sender and what is between it and this program; the message is damaged.',
  },
  syntax: {
    kind: 'data',
    meaning: 'A message has a tag, a wire type or a varint that no encoder writes.',
    remedy: 'Check that the sender speaks the protocol of the stage, such as pbflow.',
  },
  tooLong: {
    kind: 'limit',
    meaning: 'A record, a text or a list is longer than this program reads.',
    remedy: 'Check the sender; flows stay far below these limits.',
  },
  encoding: {
    kind: 'data',
    meaning: 'A text in a message is not in UTF-8.',
    remedy: 'Check the sender; protobuf texts are UTF-8.',
  },
});

export function protobufError(row: ErrorRow, message: string, at: number): NetobservError {
  return new NetobservError(row, `${message} at byte ${at}`, { details: { at } });
}
