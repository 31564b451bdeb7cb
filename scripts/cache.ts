import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { seconds } from './steps.ts';

/** Holds downloads, and outlives clones. */
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'netobserv');

export function cached(...path: readonly string[]): string {
  return join(CACHE, ...path);
}

/** Fills a folder unless it exists; the folder is complete or absent. */
export function fetchWhole(folder: string, fill: (draft: string) => void): void {
  if (existsSync(folder)) return;
  const startMs = performance.now();
  mkdirSync(dirname(folder), { recursive: true });
  const draft = mkdtempSync(`${folder}.`);
  try {
    fill(draft);
    renameSync(draft, folder);
  } catch (error) {
    // Another process was faster.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  console.log(`${basename(folder)}: fetched in ${seconds(performance.now() - startMs)}`);
}
