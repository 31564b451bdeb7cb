import { readdirSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { giveWay } from '../../telemetry/priority.ts';

const TASKS = '/proc/self/task';

/** Of Node's threads, on which a database is opened; those that DuckDB starts inherit the name. */
const STARTER = 'libuv-worker';

/**
 * Opens a database whose own threads have a lower priority than ours: what queries have for the
 * taking is what captures, drains and probes leave. A query also works on the thread of Node's that
 * waits for it; those keep theirs, since hooks are attached and flows committed there.
 */
export async function withPatientThreads<T>(open: () => Promise<T>): Promise<T> {
  // Threads of Node's start with the first work for them.
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
    // It has ended meanwhile.
    return false;
  }
}
