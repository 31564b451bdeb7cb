import { NetobservError } from '../../base/errors.ts';
import { WIRE_MASK } from '../wire.ts';
import { WireReader } from '../wire-reader.ts';
import { concat, field, numberField, textField } from '../wire-writer.ts';
import { ANSWER } from './schema.ts';

/**
 * Entries that the receiver refused, by an `ExportLogsServiceResponse` or the one for traces. 0 for
 * an answer that says nothing about it, or that is damaged.
 */
export function refusedEntries(answer: Uint8Array): number {
  const reader = new WireReader();
  reader.reset(Uint8Array.from(answer), 0, answer.length);
  try {
    if (!find(reader, ANSWER.partialSuccess)) return 0;
    reader.end = reader.length();
    if (!find(reader, ANSWER.rejected)) return 0;
    return Math.max(0, reader.signed());
  } catch (error) {
    if (error instanceof NetobservError) return 0;
    throw error;
  }
}

/** Goes to the value of a field; false: the message does not have it. */
function find(reader: WireReader, wanted: number): boolean {
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === wanted) return true;
    reader.skip(tag & WIRE_MASK);
  }
  return false;
}

/** The answer to a request of which `refused` entries were left out, for this reason. */
export function refusalAnswer(refused: number, reason: string): Uint8Array<ArrayBuffer> {
  if (refused === 0) return new Uint8Array(0);
  const number = numberField(ANSWER.rejected, refused);
  return field(ANSWER.partialSuccess, concat(number, textField(ANSWER.reason, reason)));
}
