import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { hasCode } from '../base/errors.ts';

/**
 * Makes the folder that an option names, and its parents. Throws Node's own errors.
 *
 * Node's recursive mkdir never returns where a folder refuses new entries with ENOENT, as folders
 * of /proc do; this function tries each level once.
 */
export function makeFolder(path: string, mode: number): void {
  const whole = resolve(path);
  if (isFolder(whole)) return;
  if (dirname(whole) !== whole) makeFolder(dirname(whole), mode);
  try {
    mkdirSync(whole, { mode });
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!hasCode(error, 'EEXIST') || !isFolder(whole)) throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
