import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { seconds } from './steps.ts';

/** Holds what is fetched from elsewhere, and outlives clones. */
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'netobserv');

export function cached(...path: readonly string[]): string {
  return join(CACHE, ...path);
}

/** Fills a folder unless it is there; it is there whole or not at all. */
export function fetchWhole(folder: string, fill: (draft: string) => void): void {
  if (existsSync(folder)) return;
  const startMs = performance.now();
  mkdirSync(dirname(folder), { recursive: true });
  const draft = mkdtempSync(`${folder}.`);
  try {
    fill(draft);
    renameSync(draft, folder);
  } catch (error) {
    // Somebody else was quicker.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  console.log(`${basename(folder)}: fetched in ${seconds(performance.now() - startMs)}`);
}
