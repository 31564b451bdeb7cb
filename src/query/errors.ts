import { type ErrorContext, NetobservError } from '../base/errors.ts';

/** Codes of this folder. All of them say that the question is wrong, not the program. */
export const QUERY_ERRORS = {
  /** The filter text does not follow the grammar. */
  syntax: 'ERR_QUERY_SYNTAX',
  /** The filter text, or the number of its terms, is past a limit. */
  tooLong: 'ERR_QUERY_TOO_LONG',
  fieldUnknown: 'ERR_QUERY_FIELD_UNKNOWN',
  /** The operator does not exist for the field's kind. */
  operator: 'ERR_QUERY_OPERATOR',
  /** The value is not one of the field's kind. */
  value: 'ERR_QUERY_VALUE',
  metric: 'ERR_QUERY_METRIC',
  /** Empty or inverted time range, or a step that makes too many points. */
  range: 'ERR_QUERY_RANGE',
  limit: 'ERR_QUERY_LIMIT',
} as const;

export type QueryErrorCode = (typeof QUERY_ERRORS)[keyof typeof QUERY_ERRORS];

export function queryError(
  code: QueryErrorCode,
  message: string,
  details: ErrorContext['details'] = {},
): NetobservError {
  return new NetobservError(code, message, { details });
}
