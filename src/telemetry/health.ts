/** Result of one check: fine, perhaps with a note, or the reason why not; for people. */
export type HealthState =
  | { readonly ok: true; readonly note?: string }
  | { readonly ok: false; readonly reason: string };

export interface HealthReport {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, HealthState>>;
}

/**
 * Named checks behind `/livez` and `/readyz`. Ready: the component does its work right now
 * (attached, connected, not full). Live: it does not need a restart to recover. Checks answer from
 * memory; they never wait.
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
      // A successor may have registered the name meanwhile.
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
