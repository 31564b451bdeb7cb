import { constants, getPriority, setPriority } from 'node:os';

/** As with nice(1), on top of what the process was started with: captures are served first. */
const VIEWERS_NICENESS = 5;

/**
 * Lets a thread that works for people who look give way to the others; on Linux each has a priority
 * of its own, see setpriority(2), "C library/kernel differences". Where that is refused, or the
 * thread has ended, it changes nothing.
 */
export function giveWay(thread: number): void {
  try {
    const own = getPriority(process.pid);
    setPriority(thread, Math.min(own + VIEWERS_NICENESS, constants.priority.PRIORITY_LOW));
  } catch {
    // It is then as quick as the rest.
  }
}
