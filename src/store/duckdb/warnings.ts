import type { PartitionAges } from './ages.ts';
import type { Catalog } from './catalog.ts';
import type { StoreFiles } from './files.ts';

/** How far the newest flow may be ahead of the clock without a warning. */
const AHEAD_MS = 60_000;

/**
 * Damage that the store works around: its kind, place and remedy; one sentence each, for people.
 */
export function damageWarnings(
  files: StoreFiles | undefined,
  catalog: Catalog | undefined,
): readonly string[] {
  const kept = (files?.damaged() ?? []).map(
    (path) =>
      `unreadable data was set aside in ${path}; ` +
      'this warning stays until the file is moved elsewhere',
  );
  const leftOut = (catalog?.all ?? []).flatMap(({ damage, startedMs }) =>
    damage === undefined
      ? []
      : [
          `flows from ${iso(startedMs)} on are left out, since a part of them is damaged, ` +
            `and go when they are old; check the disk: ${damage}`,
        ],
  );
  return [...kept, ...leftOut];
}

/** Contradictions between the flows and the clock. */
export function clockWarnings(
  ages: PartitionAges | undefined,
  newestMs: number | undefined,
  nowMs: number,
): readonly string[] {
  const doubt = ages?.doubt;
  const warnings: string[] = [];
  if (doubt !== undefined) {
    warnings.push(
      `by the clock no flow came for longer than flows are kept, since ${iso(doubt.lastMs)}; ` +
        `nothing is dropped for its age within an hour of the start: set the clock if it is wrong`,
    );
  }
  if (newestMs !== undefined && newestMs > nowMs + AHEAD_MS) {
    warnings.push(
      `the newest flow is of ${iso(newestMs)}, which the clock has not reached: set the clock ` +
        'if it is wrong; ranges that end now leave flows of the future out',
    );
  }
  return warnings;
}

/** A time that another tool wrote may have any value. */
function iso(epochMs: number): string {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? String(epochMs) : date.toISOString();
}
