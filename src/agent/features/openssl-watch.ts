import { statSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentMetrics } from '../metrics.ts';

/** Packages are not upgraded more often than this. */
export const LIBRARY_PERIOD_MS = 10_000;

export interface LibraryWatchDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Pick<Log, 'warn' | 'info'>;
  readonly metrics: Pick<AgentMetrics, 'error'>;
}

/**
 * Notices that a library has been replaced. Probes are attached to the file that was there at the
 * start: they do not see programs that begin later with another file. The capability to attach
 * probes was given up once everything ran, so this can only log a warning.
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

  /** Call this often. */
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
    log.warn(
      { path },
      'the OpenSSL library was replaced: restart the agent to watch programs that use the new one',
    );
  }
}

/** Identifies a file by its inode, to which probes are attached; links are followed. */
function fileAt(path: string): string {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  return file === undefined ? '' : `${file.dev}:${file.ino}`;
}
