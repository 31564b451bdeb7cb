import type { InternTables } from './intern.ts';

/** Value of an id whose fact has not been looked up. */
export const UNKNOWN = 0;

/** The ids whose facts have changed since a version; undefined: all may have. */
export type ChangedSince = (version: number) => readonly number[] | undefined;

/**
 * Facts per intern id: an array look-up per row once a fact is known. Values are the caller's, with
 * 0 for `UNKNOWN`. They hold for one generation of tables and one version of their source. Another
 * generation clears the memo; so does another version, unless the source knows what has changed.
 */
export class IdMemo {
  #values: Uint32Array = new Uint32Array(0);
  #tables: InternTables | undefined;
  #version = 0;
  #clearings = 0;

  /** How often it was cleared. */
  get clearings(): number {
    return this.#clearings;
  }

  /** The facts for ids of `tables` up to `size`. A source that can change counts its versions. */
  for(tables: InternTables, size: number, version = 0, changedSince?: ChangedSince): Uint32Array {
    const changed = this.#tables === tables ? this.#changed(version, changedSince) : undefined;
    const isClear = changed === undefined;
    const old = this.#values;
    if (size >= old.length) {
      this.#values = new Uint32Array(roomFor(size));
      if (!isClear) this.#values.set(old);
    } else if (isClear) {
      old.fill(UNKNOWN);
    }
    if (isClear) this.#clearings++;
    else for (const id of changed) this.#values[id] = UNKNOWN;
    this.#tables = tables;
    this.#version = version;
    return this.#values;
  }

  /** The next use begins anew. */
  clear(): void {
    this.#tables = undefined;
  }

  #changed(version: number, changedSince?: ChangedSince): readonly number[] | undefined {
    return version === this.#version ? NOTHING : changedSince?.(this.#version);
  }
}

const NOTHING: readonly number[] = [];
const ROOM_MIN = 1024;

function roomFor(size: number): number {
  return Math.max(ROOM_MIN, 2 ** Math.ceil(Math.log2(size + 1)) * 2);
}
