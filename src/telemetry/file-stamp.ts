import { statSync } from 'node:fs';

/** Differs as soon as a path leads to another file, or the file was written. Throws as `stat`. */
export function fileStamp(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}
