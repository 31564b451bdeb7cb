import { hasCode, NetobservError } from '../base/errors.ts';
import { listed } from '../base/shown.ts';
import { PROBLEMS_MAX } from '../config/validate.ts';
import { PIPELINE_ERRORS } from './errors.ts';

/** Collects errors of independent parts of a configuration, to report all of them at once. */
export class ConfigProblems {
  readonly #errors: NetobservError[] = [];

  /** Whether a part has failed, so that later parts may lack its columns. */
  get hasFailed(): boolean {
    return this.#errors.length > 0;
  }

  /**
   * Returns the result of `work`; undefined: it threw an error in the configuration, which waits
   * for `throwAll`. `mayLackColumns`: the part uses columns of one that failed, so an error about
   * its fields may not be one.
   */
  attempt<T>(work: () => T, mayLackColumns = false): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof NetobservError) || error.details.path === undefined) throw error;
      const errors = (error.details.errors as readonly NetobservError[] | undefined) ?? [error];
      const isDoubtful = (one: NetobservError) =>
        mayLackColumns && hasCode(one, PIPELINE_ERRORS.fieldKind);
      this.#errors.push(...errors.filter((one) => !isDoubtful(one)));
      return undefined;
    }
  }

  /** Throws one error for all parts that failed; its code and path are those of the first. */
  throwAll(): void {
    const errors = this.#errors.slice(0, PROBLEMS_MAX);
    const [first, second] = errors;
    if (first === undefined) return;
    if (second === undefined) throw first;
    const issues = errors.map(({ message }) => message);
    throw new NetobservError(first.row, listed('wrong pipeline', issues), {
      details: { path: first.details.path, issues, errors },
    });
  }
}
