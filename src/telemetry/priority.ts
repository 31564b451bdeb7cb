import { constants, getPriority, setPriority } from 'node:os';

/** As in nice(1), relative to the priority of the process: captures are served first. */
const VIEWERS_NICENESS = 5;

/**
 * Lowers the priority of a thread that serves viewers; on Linux each thread has its own priority,
 * see setpriority(2), "C library/kernel differences". Changes nothing where that is refused or the
 * thread has ended.
 */
export function giveWay(thread: number): void {
  try {
    const own = getPriority(process.pid);
    setPriority(thread, Math.min(own + VIEWERS_NICENESS, constants.priority.PRIORITY_LOW));
  } catch {
    // The thread keeps its priority.
  }
}
