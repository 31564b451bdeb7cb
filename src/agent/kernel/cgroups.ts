import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Control groups whose paths are remembered, those that are gone among them. */
const REMEMBERED_MAX = 16_384;
/** Folders that one search looks into. */
const SEARCHED_MAX = 16_384;

/** 64 hexadecimal digits, bare or as a unit of systemd: docker-…, cri-containerd-…, crio-…. */
const CONTAINER = /^(?:[a-z][a-z0-9-]*-)?([0-9a-f]{64})(?:\.scope)?$/;

/** The container that a control group belongs to, by the innermost part of its path that tells. */
export function containerOf(path: string): string | undefined {
  for (const part of path.split('/').reverse()) {
    const id = CONTAINER.exec(part)?.[1];
    if (id !== undefined) return id;
  }
  return undefined;
}

export interface ControlGroupsOptions {
  /** As /proc/self/mounts. Beside v1, v2 is mounted at a place of its own. */
  readonly mounts?: string;
  /** As /proc. */
  readonly processes?: string;
}

/**
 * Paths of control groups by their id, which is the inode number of their folder in cgroup v2. An
 * unknown one is asked of a process that is in it, and looked for in the whole tree if that is
 * gone: once for each, be it found or not, and once between two calls of `renew`.
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

  /** What came up since the last search is worth another one. */
  renew(): void {
    this.#maySearch = true;
  }

  /** Below the root of v2, which is `/` itself; empty: there is none, or none any more. */
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

  /** By /proc/PID/cgroup, as long as the process is there and has not moved on. */
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
        // It went away meanwhile.
      }
    }
  }
}

function findMount(mounts: string): string | undefined {
  const lines = readFileSync(mounts, 'utf8').split('\n');
  return lines.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
}
