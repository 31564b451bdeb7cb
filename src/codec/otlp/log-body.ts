import { explain, NetobservError } from '../../base/errors.ts';
import type { Row } from '../../flow/row.ts';
import { parseJsonLine } from '../json/reader.ts';
import { OTLP_ERRORS } from './errors.ts';

/** Longest log record that is read: a flow and the same flow as JSON, both as long as may be. */
export const LOG_RECORD_BYTES_MAX = 2 * 1024 * 1024;

const NO_FIELDS: Row = {};

/**
 * The fields in the body of a log record: a map, or a JSON object as text. A record without a body
 * needs attributes, whatever these are. Throws a coded error for what is not a flow.
 */
export function fieldsOfBody(body: unknown, hasAttributes: boolean): Row {
  if (body === undefined || body === '') {
    if (hasAttributes) return NO_FIELDS;
    throw notFlow('a log record has no attributes and no body');
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Row;
  const problem = 'no attribute of a log record is a field of flows, and its body is no object';
  if (typeof body !== 'string') throw notFlow(problem);
  try {
    return parseJsonLine(body);
  } catch (error) {
    throw notFlow(`${problem}: ${explain(error)}`);
  }
}

function notFlow(problem: string): NetobservError {
  return new NetobservError(OTLP_ERRORS.notFlow, problem);
}
