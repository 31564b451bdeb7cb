import { hasCode } from '../base/errors.ts';
import type { ReadHostFile } from './capabilities.ts';

/**
 * Number of files that a process should be allowed to open: an `up` with all features has about
 * 140, and some more for each network namespace that it watches.
 */
export const OPEN_FILES_WANTED = 1024;

/** Maximum of nested causes to check: a longer chain is a loop or noise. */
const CAUSES_MAX = 8;

/** How many files this process may open; undefined when unknown. */
export function openFilesLimit(read: ReadHostFile): number | undefined {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(read('/proc/self/limits') ?? '')?.[1];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/** Advice for an error caused by the limit on open files; undefined for any other. */
export function openFilesAdvice(error: unknown, read: ReadHostFile): string | undefined {
  let current = error;
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth++) {
    if (hasCode(current, 'EMFILE')) return raiseLimit(read);
    if (hasCode(current, 'ENFILE')) return RAISE_FOR_ALL;
    current = current.cause;
  }
  return undefined;
}

/** Advice for raising the limit that this process reached. */
export function raiseLimit(read: ReadHostFile): string {
  const limit = openFilesLimit(read);
  return (
    `This process may have ${limit ?? 'too few'} files open: allow it ${OPEN_FILES_WANTED} or more, ` +
    `by "ulimit -n ${OPEN_FILES_WANTED}" or LimitNOFILE= of its systemd unit.`
  );
}

const RAISE_FOR_ALL =
  'This machine has as many files open as it may: raise it by "sysctl fs.file-max".';
