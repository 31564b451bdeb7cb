import { useEffect, useRef, useState } from 'react';
import type { RecordRow } from '../data/rows.ts';

const NONE: ReadonlySet<string> = new Set();

/** Keys of rows that are in the latest answer and not in the previous one. */
export function useFresh(rows: readonly RecordRow[], isOther: boolean): ReadonlySet<string> {
  const known = useRef<ReadonlySet<string> | undefined>(undefined);
  const [fresh, setFresh] = useState(NONE);
  useEffect(() => {
    // Rows of another question do not show what is new in this one.
    if (isOther) {
      known.current = undefined;
      return;
    }
    const before = known.current;
    known.current = new Set(rows.map((row) => row.key));
    setFresh(before === undefined || before.size === 0 ? NONE : newKeys(rows, before));
  }, [rows, isOther]);
  return fresh;
}

export function newKeys(
  rows: readonly RecordRow[],
  before: ReadonlySet<string>,
): ReadonlySet<string> {
  return new Set(rows.filter((row) => !before.has(row.key)).map((row) => row.key));
}
