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

/**
 * Paths of control groups by their id, which is the inode number of their folder in cgroup v2. Read
 * from the file system when an unknown one turns up: once for each, be it found or not.
 */
export class ControlGroups {
  readonly #root: string | undefined;
  readonly #paths = new Map<number, string>();

  /** `mounts`: as /proc/self/mounts. Where v1 is in use, too, v2 is mounted at a place of its own. */
  constructor(mounts = '/proc/self/mounts') {
    this.#root = findMount(mounts);
  }

  /** Below the root of v2, `/` being the root itself; empty: there is none, or none any more. */
  pathOf(id: number): string {
    const known = this.#paths.get(id);
    if (known !== undefined) return known;
    if (this.#paths.size >= REMEMBERED_MAX) this.#paths.clear();
    if (this.#root !== undefined) this.#search(this.#root);
    const path = this.#paths.get(id) ?? '';
    this.#paths.set(id, path);
    return path;
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
