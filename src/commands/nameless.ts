import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { explain } from '../base/errors.ts';

/**
 * A file that never has a name (open(2)): nobody else can open it, and it is gone with the process.
 * Node has no word for it.
 */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** File systems in memory. Containers have one at /dev, also those with a read-only root. */
const MEMORY_TYPES = new Set(['tmpfs', 'devtmpfs', 'ramfs']);
/** Of the kernel's own places, where a file, though harmless, would surprise. */
const KERNEL_PLACES = /^\/(proc|sys)(\/|$)/;
/** Places that are tried. */
const PLACES_MAX = 16;

/** Where a library may be written to, and loaded from, by a `/proc/self/mounts`. */
export function memoryPlaces(mounts: string): readonly string[] {
  const places = mounts.split('\n').flatMap((line) => {
    const [, place = '', type = '', options = ''] = line.split(' ');
    const words = new Set(options.split(','));
    const isUsable = MEMORY_TYPES.has(type) && words.has('rw') && !words.has('noexec');
    return isUsable && !KERNEL_PLACES.test(place) ? [unescapePlace(place)] : [];
  });
  return places.slice(0, PLACES_MAX);
}

/** Blanks and the like are written as `\040`. */
function unescapePlace(place: string): string {
  return place.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/**
 * Hands a library to `load` by a path that lives as long as the call: in memory, where there is no
 * folder to unpack it into. Throws when no place takes it.
 */
export function withNamelessFile(bytes: Uint8Array, load: (path: string) => void): void {
  const refusals: string[] = [];
  for (const place of memoryPlaces(readFileSync('/proc/self/mounts', 'utf8'))) {
    try {
      loadFrom(place, bytes, load);
      return;
    } catch (error) {
      refusals.push(`${place} (${explain(error)})`);
    }
  }
  const places = refusals.length === 0 ? 'none is mounted' : refusals.join('; ');
  throw new Error(`no file system in memory to load it from: ${places}`);
}

function loadFrom(place: string, bytes: Uint8Array, load: (path: string) => void): void {
  const fd = openSync(place, O_TMPFILE | constants.O_RDWR, 0o700);
  try {
    writeFileSync(fd, bytes);
    load(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}
