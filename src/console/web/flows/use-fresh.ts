import { useEffect, useRef, useState } from 'react';
import type { RecordRow } from '../data/rows.ts';

const NONE: ReadonlySet<string> = new Set();

/** Keys of the rows that the latest answer has and the one before it had not. */
export function useFresh(rows: readonly RecordRow[], isOther: boolean): ReadonlySet<string> {
  const known = useRef<ReadonlySet<string> | undefined>(undefined);
  const [fresh, setFresh] = useState(NONE);
  useEffect(() => {
    // Rows of another question say nothing about what is new in this one.
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
