import type { ErrorKind } from '../base/errors.ts';

/** Exit codes of every command. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  lost: 3,
  unfinished: 130,
} as const;

/** Meaning of each exit code; `--help` and the reference page show it. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'done',
  failed: 'failed',
  usage: 'wrong command line or configuration',
  lost: 'flows were lost at the end',
  unfinished: 'ended before all was done, by a second signal or after 28 s',
};

/**
 * Mistakes that somebody must correct before another start can succeed have a different code than
 * failures after which it may succeed.
 */
export function exitCodeOf(kind: ErrorKind): number {
  return kind === 'usage' ? EXIT.usage : EXIT.failed;
}
