import type { Hook, HookTarget } from '../loader/hook.ts';

/** Hooks that were removed, or could not be attached, are tried again: at once, then after this. */
const REPAIR_FIRST_MS = 1000;
const REPAIR_MAX_MS = 5 * 60_000;

/** An interface that has hooks or is getting them. */
export interface Hooked {
  target: HookTarget;
  readonly hooks: Hook[];
  readonly abort: AbortController;
  attaching: Promise<void>;
  /** An attempt to attach is under way. */
  isAttaching: boolean;
  /** All attempts have ended, and some hook is missing. */
  hasFailed: boolean;
  /** Somebody has removed a hook, and it is not back. */
  isLost: boolean;
  readonly repairs: Repairs;
}

export function newHooked(target: HookTarget): Hooked {
  return {
    target,
    hooks: [],
    abort: new AbortController(),
    attaching: Promise.resolve(),
    isAttaching: false,
    hasFailed: false,
    isLost: false,
    repairs: new Repairs(),
  };
}

/** When hooks of one interface are attached again: ever less often if they keep disappearing. */
export class Repairs {
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #waitMs = REPAIR_FIRST_MS;

  /** Whether a repair may be made now, which then counts as made. */
  take(nowMs: number): boolean {
    if (nowMs < this.#notBeforeMs) return false;
    // After a long quiet time, the cause is a new one.
    const isFirst = nowMs > this.#notBeforeMs + REPAIR_MAX_MS;
    this.#waitMs = isFirst ? REPAIR_FIRST_MS : Math.min(REPAIR_MAX_MS, this.#waitMs * 2);
    this.#notBeforeMs = nowMs + this.#waitMs;
    return true;
  }
}
