/** Counts over all namespaces. */
export interface HookTally {
  /** Interfaces that have hooks or are getting them. */
  wanted: number;
  links: number;
  /** Wanted interfaces that do not fit. */
  leftOut: number;
  hooked: number;
  qdiscs: number;
  ingressTcx: number;
  egressTcx: number;
  /** Interfaces with a hook that somebody removed and that is not back. */
  lost: number;
  /** Interfaces with a hook that could not be attached, and is tried again. */
  failed: number;
}

export function newTally(): HookTally {
  const hooks = { hooked: 0, qdiscs: 0, ingressTcx: 0, egressTcx: 0, lost: 0, failed: 0 };
  return { wanted: 0, links: 0, leftOut: 0, ...hooks };
}
