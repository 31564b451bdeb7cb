import { fileStamp } from './file-stamp.ts';
import { readSmallFile } from './small-file.ts';

/** Receives the outcome of a renewal. */
export interface RenewalReport {
  renewed(): void;
  /** The old contents stay in use. */
  refused(error: unknown): void;
}

/**
 * A value made of files that others renew while the program runs: certificates, tokens.
 *
 * The files are checked whenever they are needed, with one system call each, rather than watched:
 * Kubernetes swaps a link somewhere above them, and network file systems report no changes.
 */
export class RenewedFiles<T> {
  readonly #paths: readonly string[];
  readonly #make: (contents: readonly string[]) => T;
  readonly #report: RenewalReport;
  #stamp: string;
  #value: T;

  /** Throws the errors of reading and of `make`: there is nothing to fall back to yet. */
  constructor(
    paths: readonly string[],
    make: (contents: readonly string[]) => T,
    report: RenewalReport,
  ) {
    this.#paths = paths;
    this.#make = make;
    this.#report = report;
    this.#stamp = this.#look();
    this.#value = this.#read();
  }

  /** Made of the newest usable contents. */
  current(): T {
    const stamp = this.#look();
    if (stamp === this.#stamp) return this.#value;
    // Set before the read: a later change counts as another renewal.
    this.#stamp = stamp;
    try {
      // Never waits for a pipe: flows go on meanwhile.
      this.#value = this.#read(0);
      this.#report.renewed();
    } catch (error) {
      this.#report.refused(error);
    }
    return this.#value;
  }

  #look(): string {
    return this.#paths.map(stampOf).join(' ');
  }

  #read(waitMs?: number): T {
    return this.#make(this.#paths.map((path) => readSmallFile(path, waitMs).toString('utf8')));
  }
}

/** Changes with every renewal, by writing, renaming or a link on the way to the file. */
function stampOf(path: string): string {
  try {
    return fileStamp(path);
  } catch (error) {
    return String(error);
  }
}
