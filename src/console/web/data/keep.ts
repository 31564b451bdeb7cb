import { DEFAULT_VIEW, type ViewState } from '../state/view-state.ts';
import { encodeView } from '../state/view-url.ts';

/** An answer on the page, and its question. */
export interface Kept<Data> {
  readonly question: string;
  readonly data: Data | undefined;
  /** The data answers the previous question, until the new answer comes. */
  readonly isStandIn: boolean;
}

/**
 * Chooses the answer to show: a reader keeps the current one until they stop reading, unless they
 * asked another question.
 */
export function keep<Data>(
  kept: Kept<Data> | undefined,
  latest: Kept<Data>,
  isReading: boolean,
): Kept<Data> {
  if (kept === undefined || kept.data === undefined || kept.isStandIn || !isReading) return latest;
  return kept.question === latest.question ? kept : latest;
}

/** The parts of the view that select flows; without sort order, columns and refresh. */
export function questionOf(view: ViewState): string {
  const { sort, columns, refresh } = DEFAULT_VIEW;
  return encodeView({ ...view, sort, columns, refresh });
}
