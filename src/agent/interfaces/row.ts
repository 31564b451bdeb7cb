import type { Direction, HookMode } from '../loader/hook.ts';

/** One watched interface. */
export interface InterfaceRow {
  readonly name: string;
  readonly index: number;
  /**
   * Name of the network namespace, empty for the host's. A namespace without a name goes by its
   * container's id, or by its oldest process: `nginx[1234]`.
   */
  readonly namespace: string;
  readonly mode: HookMode;
  readonly directions: readonly Direction[];
}
