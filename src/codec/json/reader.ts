import type { FlowBatch } from '../../flow/batch.ts';
import { appendRow, type CoercionFailures, type Row } from '../../flow/row.ts';
import { JSON_ERRORS, jsonError } from './errors.ts';

/** A flow with all fields has about 3 KB; more than this is something else. */
export const JSON_LINE_MAX_BYTES = 1024 * 1024;

/** Characters of the line that a message shows, so that a person finds the line. */
const EXCERPT_CHARS = 60;

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Adds the flow that a line of JSON describes. Returns false, without reading the line, when the
 * batch is full. Throws a coded error when the line is not a JSON object; values of the wrong type
 * stay absent and are counted in `failures` by field, since one odd value does not spoil a flow.
 */
export function readJsonLine(
  batch: FlowBatch,
  line: Uint8Array | string,
  failures: CoercionFailures,
): boolean {
  if (batch.length === batch.capacity) return false;
  return appendRow(batch, parseJsonLine(line), failures);
}

/** The object that a line describes. Throws a coded error when the line is not an object. */
export function parseJsonLine(line: Uint8Array | string): Row {
  const size = typeof line === 'string' ? line.length : line.byteLength;
  if (size > JSON_LINE_MAX_BYTES) {
    throw jsonError(
      JSON_ERRORS.tooLong,
      `a line has ${size} bytes, but a flow has at most ${JSON_LINE_MAX_BYTES}`,
    );
  }
  const text = typeof line === 'string' ? line : decode(line);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw jsonError(JSON_ERRORS.syntax, `a line is no JSON: ${excerpt(text)}`, error);
  }
  if (isObject(value)) return value;
  const problem = `a line must be a JSON object with the fields of one flow: ${excerpt(text)}`;
  throw jsonError(JSON_ERRORS.notObject, problem);
}

function isObject(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function decode(line: Uint8Array): string {
  try {
    return decoder.decode(line);
  } catch (error) {
    throw jsonError(JSON_ERRORS.encoding, 'a line is not in UTF-8', error);
  }
}

function excerpt(text: string): string {
  return text.length > EXCERPT_CHARS ? `${text.slice(0, EXCERPT_CHARS)}…` : text;
}
