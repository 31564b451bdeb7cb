import { join } from 'node:path';
import { makeTokenFile } from '../../console/server/config.ts';

const AUTO = 'auto';
const NAME = 'console.token';

/**
 * Path of the console's token file, as `--token-file` requests it; undefined: none. `auto` creates
 * one in the data folder, and reuses it at the next start.
 */
export function tokenPathOf(asked: string, folder: string): string | undefined {
  if (asked === '') return undefined;
  if (asked !== AUTO) return asked;
  const path = join(folder, NAME);
  makeTokenFile(path);
  return path;
}
