/** What one check says, for a person: fine, perhaps with something worth knowing; or why not. */
export type HealthState =
  | { readonly ok: true; readonly note?: string }
  | { readonly ok: false; readonly reason: string };

export interface HealthReport {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, HealthState>>;
}

/**
 * Named checks behind `/livez` and `/readyz`. Ready: the component does its work right now
 * (attached, connected, not full). Live: it is not beyond repair, that is a restart would not help.
 * Checks answer from memory; they never wait.
 */
export class Health {
  readonly #ready = new Map<string, () => HealthState>();
  readonly #live = new Map<string, () => HealthState>();

  addReady(name: string, check: () => HealthState): Disposable {
    return add(this.#ready, name, check);
  }

  addLive(name: string, check: () => HealthState): Disposable {
    return add(this.#live, name, check);
  }

  ready(): HealthReport {
    return report(this.#ready);
  }

  live(): HealthReport {
    return report(this.#live);
  }
}

type Checks = Map<string, () => HealthState>;

function add(checks: Checks, name: string, check: () => HealthState): Disposable {
  checks.set(name, check);
  return {
    [Symbol.dispose]: () => {
      // A successor may have taken the name meanwhile.
      if (checks.get(name) === check) checks.delete(name);
    },
  };
}

function report(checks: Checks): HealthReport {
  const states: Record<string, HealthState> = {};
  let ok = true;
  for (const [name, check] of checks) {
    const state = check();
    states[name] = state;
    ok &&= state.ok;
  }
  return { ok, checks: states };
}
