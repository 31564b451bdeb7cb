import { defineErrors, type ErrorContext, type ErrorRow, NetobservError } from '../base/errors.ts';

export const QUERY_ERRORS = defineErrors('ERR_QUERY', {
  syntax: {
    kind: 'usage',
    meaning: 'The filter text does not follow the grammar.',
    remedy: 'Correct the filter at the position in the message.',
  },
  tooLong: {
    kind: 'usage',
    meaning: 'The filter text is too long or has too many terms or values.',
    remedy: 'Use wildcards, ranges or fewer terms.',
  },
  fieldUnknown: {
    kind: 'usage',
    meaning: 'No flow field has this name.',
    remedy: 'Use one of the names that the message suggests.',
  },
  operator: {
    kind: 'usage',
    meaning: 'The operator does not exist for fields of this kind.',
    remedy: 'Use one of the operators in the message.',
  },
  value: {
    kind: 'usage',
    meaning: 'The value does not fit the kind of the field.',
    remedy: 'Write the value as the message says.',
  },
  metric: {
    kind: 'usage',
    meaning: 'No metric has this name.',
    remedy: 'Use Flows, DnsFlows or a numeric field such as Bytes.',
  },
  range: {
    kind: 'usage',
    meaning: 'The time range is empty or inverted, or its step makes too many points.',
    remedy: 'Correct the range, or choose a longer step.',
  },
  limit: {
    kind: 'usage',
    meaning: 'More series or fields per series are requested than one answer has.',
    remedy: 'Request fewer.',
  },
});

export function queryError(
  row: ErrorRow,
  message: string,
  details: ErrorContext['details'] = {},
): NetobservError {
  return new NetobservError(row, message, { details });
}
