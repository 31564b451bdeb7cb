import { statSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentMetrics } from '../metrics.ts';

/** Packages are not upgraded more often than that. */
export const LIBRARY_PERIOD_MS = 10_000;

export interface LibraryWatchDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Pick<Log, 'warn' | 'info'>;
  readonly metrics: Pick<AgentMetrics, 'error'>;
}

/**
 * Notices that a library has been replaced. Probes are in the file that was there at the start: of
 * programs that begin later, with another one, nothing is heard. The right to put probes there was
 * given up once everything ran, so all that can be done is to say it.
 */
export class LibraryWatch {
  readonly #path: string;
  readonly #deps: LibraryWatchDeps;
  readonly #watched: string;
  #last: string;
  #lookedMs: number;

  constructor(path: string, deps: LibraryWatchDeps) {
    this.#path = path;
    this.#deps = deps;
    this.#watched = fileAt(path);
    this.#last = this.#watched;
    this.#lookedMs = deps.clock.monotonicMs();
  }

  /** To be called often. */
  look(): void {
    const { clock, log, metrics } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lookedMs < LIBRARY_PERIOD_MS) return;
    this.#lookedMs = nowMs;
    const file = fileAt(this.#path);
    if (file === this.#last) return;
    this.#last = file;
    const path = this.#path;
    if (file === this.#watched) {
      log.info({ path }, 'the OpenSSL library is the one that is watched again');
      return;
    }
    metrics.error('openssl', 'LibraryReplaced', 'medium');
    log.warn({ path }, 'another OpenSSL library: of programs that use it only a restart tells');
  }
}

/** Which file that is, by what probes are attached to; whatever links lead there. */
function fileAt(path: string): string {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  return file === undefined ? '' : `${file.dev}:${file.ino}`;
}
