import { defineErrors, type ErrorRow, NetobservError } from '../../base/errors.ts';

export const JSON_ERRORS = defineErrors('ERR_CODEC_JSON', {
  tooLong: {
    kind: 'limit',
    meaning: 'A line of JSON is longer than the reader takes.',
    remedy: 'Check that the input has one flow per line.',
  },
  encoding: {
    kind: 'data',
    meaning: 'A line is not in UTF-8.',
    remedy: 'Convert the input to UTF-8.',
  },
  syntax: {
    kind: 'data',
    meaning: 'A line is not JSON.',
    remedy: 'Check that the input has one flow per line, each a JSON object.',
  },
  notObject: {
    kind: 'data',
    meaning: 'A line is JSON, but not an object.',
    remedy: 'Write each flow as an object, with the names of its fields as keys.',
  },
});

export function jsonError(row: ErrorRow, message: string, cause?: unknown): NetobservError {
  return new NetobservError(row, message, { cause });
}
