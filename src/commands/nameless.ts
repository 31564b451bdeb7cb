import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { explain } from '../base/errors.ts';

/**
 * A file that never has a name (open(2)): nobody else can open it, and it vanishes with the
 * process. Node has no constant for it.
 */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** File systems in memory. Containers have one at /dev, even with a read-only root. */
const MEMORY_TYPES = new Set(['tmpfs', 'devtmpfs', 'ramfs']);
/** The kernel's own places, where a file would be harmless but surprising. */
const KERNEL_PLACES = /^\/(proc|sys)(\/|$)/;
/** Maximum of places to try. */
const PLACES_MAX = 16;

/** Folders that a library can be written to and loaded from, according to `/proc/self/mounts`. */
export function memoryPlaces(mounts: string): readonly string[] {
  const places = mounts.split('\n').flatMap((line) => {
    const [, place = '', type = '', options = ''] = line.split(' ');
    const words = new Set(options.split(','));
    const isUsable = MEMORY_TYPES.has(type) && words.has('rw') && !words.has('noexec');
    return isUsable && !KERNEL_PLACES.test(place) ? [unescapePlace(place)] : [];
  });
  return places.slice(0, PLACES_MAX);
}

/** Blanks and the like are escaped as `\040`. */
function unescapePlace(place: string): string {
  return place.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/**
 * Passes `load` the path of a library in memory, for when there is no folder to unpack it into. The
 * path is valid only during the call. Throws when no place takes it.
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
