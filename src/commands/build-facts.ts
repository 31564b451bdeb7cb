import manifest from '../../package.json' with { type: 'json' };

/** Facts about the sources of a packed executable. */
export interface BuildFacts {
  readonly version: string;
  /** Commit id, with `-dirty` when files differed from it; `development` when run from source. */
  readonly commit: string;
  /** Time of the commit (ISO 8601), so that equal sources give equal executables. */
  readonly date: string;
}

/** Defined by scripts/pack.ts; absent when run from source. */
declare const NETOBSERV_BUILD: BuildFacts | undefined;

export function buildFacts(): BuildFacts {
  if (typeof NETOBSERV_BUILD !== 'undefined') return NETOBSERV_BUILD;
  return { version: manifest.version, commit: 'development', date: '' };
}
