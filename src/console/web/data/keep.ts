import { DEFAULT_VIEW, type ViewState } from '../state/view-state.ts';
import { encodeView } from '../state/view-url.ts';

/** An answer that is shown, and to which question. */
export interface Kept<Data> {
  readonly question: string;
  readonly data: Data | undefined;
  /** Of the question before: it stands in until the answer comes. */
  readonly isStandIn: boolean;
}

/**
 * What to show of what is there now: a reader keeps what he reads until he lets go of it, unless
 * he has asked for something else.
 */
export function keep<Data>(
  kept: Kept<Data> | undefined,
  latest: Kept<Data>,
  isReading: boolean,
): Kept<Data> {
  if (kept === undefined || kept.data === undefined || kept.isStandIn || !isReading) return latest;
  return kept.question === latest.question ? kept : latest;
}

/** What decides which flows are shown; the order of rows and columns, and the refresh, do not. */
export function questionOf(view: ViewState): string {
  const { sort, columns, refresh } = DEFAULT_VIEW;
  return encodeView({ ...view, sort, columns, refresh });
}
