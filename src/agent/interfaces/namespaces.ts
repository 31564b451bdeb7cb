import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';

/** A name appears before the namespace is mounted on it, and the mount causes no event. */
const SETTLE_MS = [2, 5, 10, 20, 50, 100, 200, 500, 1000] as const;
/** More names than this are a mistake, and each one costs a descriptor or two. */
const NAMES_MAX = 4096;

/** The target of a name: a namespace, or not yet (or no longer) one. */
export type NamedNamespaces = ReadonlyMap<
  string,
  { readonly path: string; readonly inode: number }
>;

export interface NamespaceWatchDeps {
  readonly clock: Clock;
  /** Directory of named namespaces, as `ip netns` uses it. */
  readonly directory: string;
  /** Device number that identifies namespace files: that of /proc/self/ns/net. */
  readonly namespaceDevice: number;
  /** Receives all names after each change. Calls never overlap. */
  readonly onChange: (names: NamedNamespaces, leftOut: number) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/**
 * Follows the directory of named network namespaces, which need not exist yet. Level-based: an
 * event only triggers a look.
 */
export class NamespaceWatch {
  readonly #deps: NamespaceWatchDeps;
  readonly #abort = new AbortController();
  #watchers: FSWatcher[] = [];
  #watchedInode = -1;
  #scanning: Promise<void> | undefined;
  #again = false;
  #attempt = 0;

  constructor(deps: NamespaceWatchDeps) {
    this.#deps = deps;
  }

  /** Watches (if `follow` is set) and reports the current names. */
  async start(follow: boolean): Promise<void> {
    if (follow) this.#watchParent();
    await this.scan();
  }

  /** Looks again; joins a running look by making it look once more. */
  scan(): Promise<void> {
    this.#again = true;
    this.#scanning ??= this.#loop().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
    await this.#scanning;
  }

  async #loop(): Promise<void> {
    while (this.#again && !this.#abort.signal.aborted) {
      this.#again = false;
      await this.#followDirectory();
      const { names, unsettled, leftOut } = await this.#look();
      if (this.#abort.signal.aborted) return;
      try {
        await this.#deps.onChange(names, leftOut);
      } catch (error) {
        this.#deps.onError(error);
      }
      if (unsettled) this.#lookLater();
      else this.#attempt = 0;
    }
  }

  async #look(): Promise<{ names: NamedNamespaces; unsettled: boolean; leftOut: number }> {
    const { directory, namespaceDevice } = this.#deps;
    const names = new Map<string, { path: string; inode: number }>();
    let unsettled = false;
    const entries = await readdir(directory).catch((): string[] => []);
    for (const name of entries.slice(0, NAMES_MAX)) {
      const path = join(directory, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined) continue;
      if (found.dev === namespaceDevice) names.set(name, { path, inode: found.ino });
      else unsettled = true;
    }
    return { names, unsettled, leftOut: Math.max(entries.length - NAMES_MAX, 0) };
  }

  #lookLater(): void {
    const delayMs = SETTLE_MS[this.#attempt];
    // A file that stays ordinary is not a namespace; the next event looks again.
    if (delayMs === undefined) return;
    this.#attempt++;
    this.#deps.clock.sleep(delayMs, this.#abort.signal).then(
      () => this.scan(),
      () => undefined,
    );
  }

  #onEvent(): void {
    this.#attempt = 0;
    void this.scan();
  }

  // Reports when the directory itself comes or goes.
  #watchParent(): void {
    const name = basename(this.#deps.directory);
    this.#watch(dirname(this.#deps.directory), (changed) => {
      if (changed === null || changed === name) this.#onEvent();
    });
  }

  // The directory may have been created, or created again, since the last look.
  async #followDirectory(): Promise<void> {
    if (this.#watchers.length === 0) return;
    const found = await stat(this.#deps.directory).catch(() => undefined);
    const inode = found?.ino ?? -1;
    if (inode === this.#watchedInode || this.#abort.signal.aborted) return;
    this.#watchedInode = inode;
    for (const watcher of this.#watchers.splice(1)) watcher.close();
    if (inode >= 0) this.#watch(this.#deps.directory, () => this.#onEvent());
  }

  #watch(path: string, onEvent: (changed: string | null) => void): void {
    try {
      const watcher = watch(path, { persistent: false }, (_kind, changed) => onEvent(changed));
      watcher.on('error', (error) => this.#deps.onError(error));
      this.#watchers.push(watcher);
    } catch (error) {
      this.#deps.onError(error);
    }
  }
}
