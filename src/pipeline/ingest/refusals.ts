import { explain, NetobservError } from '../../base/errors.ts';
import type { StageContext } from '../stage.ts';

/** Input that is not a flow: each piece is counted, the first one is logged. */
export class Refusals {
  readonly #context: StageContext;
  readonly #piece: string;
  #hasWarned = false;

  /** `piece`: what is left out, such as `a line`. */
  constructor(context: StageContext, piece: string) {
    this.#context = context;
    this.#piece = piece;
  }

  /** `place` is where the input is, for the log. */
  refuse(error: unknown, place: Readonly<Record<string, number>>): void {
    const code = error instanceof NetobservError ? error.code : 'ERR_INTERNAL';
    this.#context.counts.ingestError('decode', code);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const { name, deps } = this.#context;
    deps.log.warn(
      { component: 'pipeline', stage: name, ...place, error: explain(error) },
      `${this.#piece} is left out, and so are others like it; ingest_errors counts them`,
    );
  }
}
