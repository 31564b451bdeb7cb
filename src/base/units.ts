const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  /** Micro sign and Greek mu: both are in use, and Go accepts both. */
  '\u00b5s': 1e-3,
  '\u03bcs': 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const PART = /(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g;
/** A regular expression of durations, for schemas; `parseDurationMs` also refuses negative ones. */
export const DURATION_PATTERN = `^([+-]?)(0|(?:${PART.source})+)$`;
const DURATION = new RegExp(DURATION_PATTERN);

/**
 * Milliseconds of a duration as Go's ParseDuration reads it (`1m30s`, `.5s`, `+0`); undefined when
 * the text is not a duration, or negative.
 */
export function parseDurationMs(text: string): number | undefined {
  const [, sign, parts] = DURATION.exec(text) ?? [];
  if (parts === undefined) return undefined;
  let total = 0;
  for (const [, number, unit] of parts.matchAll(PART)) {
    total += Number(number) * DURATION_UNITS_MS[unit!]!;
  }
  return sign === '-' && total > 0 ? undefined : total;
}

const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

/** Bytes of `10GiB`, `500MB`, `1Gi`, `1048576`; undefined for any other text. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?$/i.exec(text);
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * SIZE_UNITS_BYTES[(match[2] ?? '').toLowerCase()]!);
}
