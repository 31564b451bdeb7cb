import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { hasCode } from '../base/errors.ts';

/**
 * Makes the folder that an option names, with those above it. Throws Node's own errors.
 *
 * Node's recursive mkdir never returns where a folder refuses new entries by ENOENT, as those of
 * /proc do; this one asks each level once.
 */
export function makeFolder(path: string, mode: number): void {
  const whole = resolve(path);
  if (isFolder(whole)) return;
  if (dirname(whole) !== whole) makeFolder(dirname(whole), mode);
  try {
    mkdirSync(whole, { mode });
  } catch (error) {
    // Somebody else may have been faster, with the same intent.
    if (!hasCode(error, 'EEXIST') || !isFolder(whole)) throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
