import type { HealthState } from '../telemetry/health.ts';

/** Whether an agent does its work right now, from its stored state. */
export interface AgentReadiness {
  readonly hooks: HealthState;
  readonly drain: HealthState;
}

/** Progress of the drains. */
export interface DrainProgress {
  readonly periodMs: number;
  /** Time since the last drain that succeeded, or since the start. */
  readonly idleMs: number;
  /** Failure of the last drain; undefined: it succeeded. */
  readonly failure: string | undefined;
  /** There was no room for the last flows handed on. */
  readonly isRefused: boolean;
}

/** A drain may take long, and the next one must follow. */
const LATE_PERIODS = 3;
const LATE_MS = 10_000;
/** Failures that last this long do not end by themselves. */
const STUCK_MS = 5 * 60_000;

export const FINE: HealthState = { ok: true };

export const NOT_RUNNING: AgentReadiness = {
  hooks: { ok: false, reason: 'the agent does not run' },
  drain: { ok: false, reason: 'the agent does not run' },
};

export interface HookProgress {
  readonly wanted: number;
  readonly hooked: number;
  /** Interfaces with a hook that somebody removed and that is not back. */
  readonly lost: number;
  /** Interfaces with a hook that could not be attached, and is tried again. */
  readonly failed: number;
  /** Interfaces and namespaces that exceed their users' limits. */
  readonly leftOut: number;
  readonly namespacesLeftOut: number;
  /** Programs of others at the hooks, and the consequences; undefined: none. */
  readonly company: string | undefined;
}

/**
 * Readiness does not wait for interfaces that may come: hooks follow them. Nor does it wait for
 * those left out: any user could block the agent that way.
 */
export function hooksReadiness(progress: HookProgress): HealthState {
  const { wanted, hooked, lost, failed, leftOut, namespacesLeftOut, company } = progress;
  if (lost > 0) {
    return { ok: false, reason: `hooks of ${lost} interfaces were removed and are not back` };
  }
  if (wanted > 0 && hooked === 0) {
    return { ok: false, reason: `none of ${wanted} interfaces has a hook` };
  }
  const left = `${namespacesLeftOut} network namespaces and ${leftOut} interfaces are left out`;
  const notes = [
    ...(failed === 0 ? [] : [`hooks of ${failed} interfaces could not be put on: tried again`]),
    ...(leftOut + namespacesLeftOut === 0 ? [] : [`${left}: their users have too many`]),
    ...(company === undefined ? [] : [company]),
  ];
  return notes.length === 0 ? FINE : { ok: true, note: notes.join('; ') };
}

export function drainReadiness({
  periodMs,
  idleMs,
  failure,
  isRefused,
}: DrainProgress): HealthState {
  if (failure !== undefined) return { ok: false, reason: `the last drain failed: ${failure}` };
  if (idleMs > LATE_PERIODS * periodMs + LATE_MS) {
    return { ok: false, reason: `no drain has ended for ${Math.round(idleMs / 1000)} s` };
  }
  return acceptance(isRefused);
}

/** State of the receiver of the agent's output. */
export function acceptance(isRefused: boolean): HealthState {
  return isRefused ? { ok: false, reason: 'there was no room for what was handed on last' } : FINE;
}

/** False: only a restart can help. */
export function drainLiveness({ periodMs, idleMs }: DrainProgress): HealthState {
  if (idleMs <= LATE_PERIODS * periodMs + STUCK_MS) return FINE;
  return { ok: false, reason: `no drain has succeeded for ${Math.round(idleMs / 1000)} s` };
}
