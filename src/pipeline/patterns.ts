import { goRegExp } from '../base/go-regexp.ts';
import { configError, PIPELINE_ERRORS } from './errors.ts';

/** Longer patterns are mistakes or attacks, even though each runs only once per distinct value. */
const PATTERN_MAX_CHARS = 1000;

/** A regular expression in a configuration that cannot be used; the message says why. */
export class PatternError extends Error {}

/** Compiles a regular expression in the syntax of Go. Throws `PatternError`. */
export function patternOf(pattern: string): RegExp {
  if (pattern.length > PATTERN_MAX_CHARS) {
    const problem = `the pattern has ${pattern.length} characters, at most ${PATTERN_MAX_CHARS}`;
    throw new PatternError(problem);
  }
  try {
    return goRegExp(pattern);
  } catch (cause) {
    throw new PatternError(`${JSON.stringify(pattern)} is not a regular expression`, { cause });
  }
}

/** Does the same for the value at a path of the configuration, which a coded error names. */
export function patternAt(pattern: string, path: string): RegExp {
  try {
    return patternOf(pattern);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw configError(PIPELINE_ERRORS.regex, path, error.message, error.cause);
  }
}
