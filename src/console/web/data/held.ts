import { useState } from 'react';
import { useView } from '../state/view.ts';
import { type Kept, keep, questionOf } from './keep.ts';

export interface Held<Data> {
  readonly data: Data | undefined;
  /** Newer data exists than is shown. */
  readonly isOld: boolean;
  /** Shows the newest data, even while somebody reads. */
  readonly release: () => void;
}

/** Holds an answer while somebody reads it. */
export function useHeld<Data>(
  query: { readonly data: Data | undefined; readonly isPlaceholderData: boolean },
  isReading: boolean,
): Held<Data> {
  const [view] = useView();
  const latest: Kept<Data> = {
    question: questionOf(view),
    data: query.data,
    isStandIn: query.isPlaceholderData,
  };
  const [stored, setStored] = useState(latest);
  const shown = keep(stored, latest, isReading);
  // Only changes are stored: React renders again at once, before anything is painted.
  if (
    shown.data !== stored.data ||
    shown.question !== stored.question ||
    shown.isStandIn !== stored.isStandIn
  ) {
    setStored(shown);
  }
  return {
    data: shown.data,
    isOld: shown.data !== latest.data,
    release: () => setStored(latest),
  };
}
