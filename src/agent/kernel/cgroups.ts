import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Limit of remembered paths, including those of control groups that are gone. */
const REMEMBERED_MAX = 16_384;
/** Folders that one search reads. */
const SEARCHED_MAX = 16_384;

export interface ControlGroupsOptions {
  /** Like /proc/self/mounts. With v1 in use, v2 is mounted at a separate place. */
  readonly mounts?: string;
  /** Like /proc. */
  readonly processes?: string;
}

/**
 * Paths of control groups by their id, which is the inode number of their folder in cgroup v2. An
 * unknown id is looked up through a process in the group or, if that is gone, in the whole tree:
 * once for each id, found or not, and at most one search between two calls of `renew`.
 */
export class ControlGroups {
  readonly #processes: string;
  readonly #root: string | undefined;
  readonly #paths = new Map<number, string>();
  #maySearch = true;

  constructor({ mounts = '/proc/self/mounts', processes = '/proc' }: ControlGroupsOptions = {}) {
    this.#processes = processes;
    this.#root = findMount(mounts);
  }

  /** Allows another search, for groups that appeared since the last one. */
  renew(): void {
    this.#maySearch = true;
  }

  /** Path below the root of v2, which is `/`; empty: unknown, or already gone. */
  pathOf(id: number, pid: number): string {
    const known = this.#paths.get(id);
    if (known !== undefined) return known;
    if (this.#paths.size >= REMEMBERED_MAX) this.#paths.clear();
    const path = this.#root === undefined ? '' : this.#find(this.#root, id, pid);
    this.#paths.set(id, path);
    return path;
  }

  #find(root: string, id: number, pid: number): string {
    const told = this.#told(root, id, pid);
    if (told !== undefined) return told;
    if (this.#maySearch) this.#search(root);
    this.#maySearch = false;
    return this.#paths.get(id) ?? '';
  }

  /** Reads /proc/PID/cgroup, which works while the process exists and has not moved. */
  #told(root: string, id: number, pid: number): string | undefined {
    try {
      const text = readFileSync(join(this.#processes, `${pid}`, 'cgroup'), 'utf8');
      const path = /^0::(.*)$/m.exec(text)?.[1];
      return path !== undefined && statSync(join(root, path)).ino === id ? path : undefined;
    } catch {
      return undefined;
    }
  }

  #search(root: string): void {
    const pending = ['/'];
    for (let searched = 0; searched < SEARCHED_MAX; searched++) {
      const path = pending.pop();
      if (path === undefined) return;
      try {
        this.#paths.set(statSync(join(root, path)).ino, path);
        for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
          if (entry.isDirectory()) pending.push(join(path, entry.name));
        }
      } catch {
        // The folder went away meanwhile.
      }
    }
  }
}

function findMount(mounts: string): string | undefined {
  const lines = readFileSync(mounts, 'utf8').split('\n');
  return lines.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
}
