import { JSON_ERRORS, jsonError } from '../../codec/json/errors.ts';
import { JSON_LINE_MAX_BYTES } from '../../codec/json/reader.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { Inlet } from '../graph/inlet.ts';
import type { StageContext } from '../stage.ts';
import { JsonFlows } from './json-flows.ts';
import { Refusals } from './refusals.ts';

const LINE_FEED = 0x0a;
const NOTHING = new Uint8Array(0);

/**
 * Turns a stream of JSON lines into batches. A line that is not a flow is counted and left out; the
 * first one is logged.
 */
export class JsonLines {
  readonly #inlet: Inlet;
  readonly #flows: JsonFlows;
  readonly #refusals: Refusals;
  #batch: FlowBatch | undefined;
  /** The beginning of a line that goes on in the next piece. */
  #rest: Uint8Array = NOTHING;
  /** The line is too long: the rest of it is passed over. */
  #isSkipping = false;
  #lines = 0;

  constructor(inlet: Inlet, context: StageContext) {
    this.#inlet = inlet;
    this.#flows = new JsonFlows(context);
    this.#refusals = new Refusals(context, 'a line');
  }

  /** Resolves when the branches have room for more. `piece` may be used again afterwards. */
  async push(piece: Uint8Array): Promise<void> {
    let from = 0;
    for (let end = piece.indexOf(LINE_FEED); end !== -1; end = piece.indexOf(LINE_FEED, from)) {
      const line = this.#lineOf(piece.subarray(from, end));
      from = end + 1;
      if (line !== undefined && !this.#add(line)) {
        this.flush();
        await this.#inlet.whenReady();
        this.#add(line);
      }
    }
    this.#keep(piece.subarray(from));
  }

  /** Passes on the flows read so far. */
  flush(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch === undefined) return;
    if (batch.length === 0) {
      this.#inlet.recycle(batch);
      return;
    }
    this.#flows.count(batch);
    this.#inlet.emit(batch);
  }

  /** At the end of the input, where the last line may lack its line feed. */
  end(): void {
    const line = this.#lineOf(NOTHING);
    if (line !== undefined && line.length > 0 && !this.#add(line)) {
      this.flush();
      this.#add(line);
    }
    this.flush();
  }

  /** The line that ends here; undefined if it has been passed over. */
  #lineOf(piece: Uint8Array): Uint8Array | undefined {
    this.#lines++;
    if (this.#isSkipping) {
      this.#isSkipping = false;
      return undefined;
    }
    const rest = this.#rest;
    if (rest.length === 0) return piece;
    this.#rest = NOTHING;
    return Buffer.concat([rest, piece]);
  }

  #keep(piece: Uint8Array): void {
    if (this.#isSkipping || piece.length === 0) return;
    if (this.#rest.length + piece.length <= JSON_LINE_MAX_BYTES) {
      this.#rest = Buffer.concat([this.#rest, piece]);
      return;
    }
    this.#rest = NOTHING;
    this.#isSkipping = true;
    const problem = `a line has more than ${JSON_LINE_MAX_BYTES} bytes`;
    this.#refusals.refuse(jsonError(JSON_ERRORS.tooLong, problem), { line: this.#lines + 1 });
  }

  /** False: the batch is full. */
  #add(line: Uint8Array): boolean {
    if (isBlank(line)) return true;
    this.#batch ??= this.#inlet.take();
    try {
      return this.#flows.add(this.#batch, line);
    } catch (error) {
      this.#refusals.refuse(error, { line: this.#lines });
      return true;
    }
  }
}

function isBlank(line: Uint8Array): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
}
