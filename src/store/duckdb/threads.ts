import { readdirSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { giveWay } from '../../telemetry/priority.ts';

const TASKS = '/proc/self/task';

/** Name of Node's threads that open a database; the threads that DuckDB starts inherit it. */
const STARTER = 'libuv-worker';

/**
 * Opens a database whose own threads have a lower priority than the program: queries only get the
 * CPU time that captures, drains and probes leave. A query also works on the Node thread that waits
 * for it; those threads keep their priority, since they attach hooks and commit flows.
 */
export async function withPatientThreads<T>(open: () => Promise<T>): Promise<T> {
  // Node starts its threads with the first work for them.
  await stat(TASKS);
  const before = new Set(readdirSync(TASKS));
  const opened = await open();
  for (const task of readdirSync(TASKS)) {
    if (!before.has(task) && isStarted(task)) giveWay(Number(task));
  }
  return opened;
}

function isStarted(task: string): boolean {
  try {
    return readFileSync(`${TASKS}/${task}/comm`, 'utf8').trim() === STARTER;
  } catch {
    // The thread has ended meanwhile.
    return false;
  }
}
