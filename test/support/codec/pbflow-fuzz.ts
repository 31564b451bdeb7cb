import fc from 'fast-check';
import { NetobservError } from '../../../src/base/errors.ts';
import { RecordEncoder } from '../../../src/codec/pbflow/encoder.ts';
import { RecordDecoder } from '../../../src/codec/pbflow/record-decoder.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { rowsOf } from '../../../src/flow/row.ts';
import { random } from '../../bench/flows.ts';
import { batchOf } from '../flows/batch-of.ts';
import { flowRows } from './pbflow-rows.ts';

export interface FuzzResult {
  readonly decoded: number;
  /** Inputs that were refused, by code. */
  readonly refused: Readonly<Record<string, number>>;
}

const LAYOUT = new BatchLayout(agentColumns());
const MESSAGES = 500;
const ROWS = 8;
/** Number of inputs after which the intern tables, which grow with every text, start anew. */
const TABLES_INPUTS = 20_000;
const RANDOM_BYTES_MAX = 64;
/** One input in this many is noise; the others are good messages with a few bytes changed. */
const NOISE_SHARE = 0.3;
const LONG_SHARE = 0.001;

/**
 * Gives abnormal inputs to the decoder. Throws if the decoder fails without one of its own codes,
 * or leaves a batch that cannot be read.
 *
 * `node test/support/codec/pbflow-fuzz.ts [INPUTS] [SEED]` runs it for longer.
 */
export function fuzzPbflow(inputs: number, seed: number): FuzzResult {
  const next = random(seed);
  const messages = goodMessages(seed);
  const decoder = new RecordDecoder(LAYOUT);
  const refused: Record<string, number> = {};
  let decoded = 0;
  let batch = new FlowBatch(LAYOUT, new TableSpace().current, ROWS);
  for (let i = 0; i < inputs; i++) {
    if (i % TABLES_INPUTS === 0) batch = new FlowBatch(LAYOUT, new TableSpace().current, ROWS);
    batch.reset(batch.tables);
    const input = inputOf(messages, next);
    try {
      decoder.open(input);
      while (decoder.next(batch, 0)) batch.reset(batch.tables);
      decoded++;
    } catch (error) {
      if (!(error instanceof NetobservError)) {
        const shown = Buffer.from(input).toString('hex');
        throw new Error(`input ${i} of seed ${seed}: ${shown}`, { cause: error });
      }
      refused[error.code] = (refused[error.code] ?? 0) + 1;
    }
    if (i % 64 === 0) rowsOf(batch);
  }
  return { decoded, refused };
}

/** Messages with a few flows each. */
export function goodMessages(seed: number): readonly Uint8Array<ArrayBuffer>[] {
  const encoder = new RecordEncoder('entries');
  const tables = new TableSpace().current;
  const rows = fc.array(flowRows(), { minLength: 1, maxLength: 3 });
  return fc.sample(rows, { numRuns: MESSAGES, seed }).map((some) => {
    const count = encoder.encode(batchOf(LAYOUT, tables, some));
    return Uint8Array.from(encoder.bytes.subarray(0, encoder.offsets[count]));
  });
}

function inputOf(
  messages: readonly Uint8Array<ArrayBuffer>[],
  next: () => number,
): Uint8Array<ArrayBuffer> {
  const kind = next();
  if (kind < LONG_SHARE) return longList(next);
  return kind < LONG_SHARE + NOISE_SHARE ? noise(next) : mutated(messages, next);
}

/** A record with more interfaces than the decoder reads, or nearly as many. */
function longList(next: () => number): Uint8Array<ArrayBuffer> {
  const entries = Array.from({ length: Math.floor(next() * 400) }, () => [0xd2, 0x01, 0]).flat();
  const length = [(entries.length & 0x7f) | 0x80, entries.length >>> 7];
  return Uint8Array.from([0x0a, ...length, ...entries]);
}

function noise(next: () => number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor(next() * RANDOM_BYTES_MAX));
  for (let i = 0; i < bytes.length; i++) bytes[i] = next() * 256;
  // Mostly an entry of a message, so that the decoder reads its fields.
  if (bytes.length > 2 && next() < 0.9) bytes.set([0x0a, bytes.length - 2]);
  return bytes;
}

function mutated(
  messages: readonly Uint8Array<ArrayBuffer>[],
  next: () => number,
): Uint8Array<ArrayBuffer> {
  const bytes = messages[Math.floor(next() * messages.length)]!.slice();
  const changes = 1 + Math.floor(next() * 4);
  for (let i = 0; i < changes; i++) bytes[Math.floor(next() * bytes.length)] = next() * 256;
  return next() < 0.2 ? bytes.subarray(0, Math.floor(next() * bytes.length)) : bytes;
}

if (import.meta.main) {
  const [inputs = 10_000_000, seed = Date.now() % 1_000_000] = process.argv.slice(2).map(Number);
  console.log(`seed ${seed}`, fuzzPbflow(inputs, seed));
}
