import { statSync } from 'node:fs';
import { readSmallFile } from './small-file.ts';

/** Who is told what became of new contents. */
export interface RenewalReport {
  renewed(): void;
  /** The old ones stay in use. */
  refused(error: unknown): void;
}

/**
 * What is made of files that others renew while the program runs: certificates, tokens.
 *
 * The files are looked at whenever they are needed, which is a system call each, rather than
 * watched: Kubernetes swaps a link somewhere above them, and network file systems tell nobody.
 */
export class RenewedFiles<T> {
  readonly #paths: readonly string[];
  readonly #make: (contents: readonly string[]) => T;
  readonly #report: RenewalReport;
  #stamp: string;
  #value: T;

  /** Throws what reading, or `make`, throws: there is nothing to fall back to yet. */
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

  /** Made of the newest contents that are of any use. */
  current(): T {
    const stamp = this.#look();
    if (stamp === this.#stamp) return this.#value;
    // Before the reading: what changes meanwhile is another change.
    this.#stamp = stamp;
    try {
      // Flows go on meanwhile: no pipe is waited for.
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
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch (error) {
    return String(error);
  }
}
