import type { Clock } from '../../base/clock.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { KubeClient } from '../client.ts';
import { readJson } from '../json-answer.ts';
import { recordOf, textOf } from '../values.ts';

export interface ElectionConfig {
  readonly namespace: string;
  /** The name of the Lease. */
  readonly name: string;
  /** Who we are; no other candidate has this name. */
  readonly identity: string;
  /** Others wait for this long after the last renewal that they saw, milliseconds. */
  readonly leaseMs: number;
  /** The leader gives up if it cannot renew for this long. */
  readonly renewMs: number;
  /** Time between two attempts. */
  readonly retryMs: number;
}

/** Those of the leader election of client-go. */
export const ELECTION_TIMES = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2000 } as const;

export interface ElectionDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly onLead: (isLeader: boolean) => void;
  readonly onFailure: () => void;
}

interface Lease {
  readonly holder: string;
  readonly durationMs: number;
  readonly transitions: number;
  readonly acquireTime: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Time to give the lease back at the end. */
const RELEASE_MS = 2000;
/** Attempts are apart by up to this much more, so that candidates do not meet. */
const JITTER = 0.2;
const NOT_FOUND = 404;
const CONFLICT = 409;

/**
 * Elects one of several programs by a Lease of Kubernetes, as client-go does. Clocks are not
 * compared: a candidate measures by its own clock how long the lease has not changed.
 */
export class Election {
  readonly #config: ElectionConfig;
  readonly #deps: ElectionDeps;
  readonly #path: string;
  #seen = '';
  #seenMs = 0;
  #holder: string | undefined;
  #problem = '';

  constructor(config: ElectionConfig, deps: ElectionDeps) {
    this.#config = config;
    this.#deps = deps;
    const namespace = encodeURIComponent(config.namespace);
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  }

  /** The leader, as last seen; undefined: nothing was seen yet. */
  get holder(): string | undefined {
    return this.#holder;
  }

  /** Why the lease cannot be read or written; empty while all is well. */
  get problem(): string {
    return this.#problem;
  }

  /**
   * Calls `lead` whenever this one becomes the leader; its signal is aborted when it no longer is.
   * Then it is a candidate again. Resolves some time after the signal is aborted.
   */
  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    const { retryMs } = this.#config;
    while (!signal.aborted) {
      const startMs = clock.monotonicMs();
      if (await this.#attempt(signal)) await this.#lead(lead, startMs, signal);
      const waitMs = retryMs * (1 + random() * JITTER);
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  async #lead(
    lead: (signal: AbortSignal) => Promise<void>,
    startMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { log, onLead } = this.#deps;
    const fields = { component: 'election', identity: this.#config.identity };
    const leading = new AbortController();
    log.info(fields, 'this program is the leader');
    onLead(true);
    const led = lead(AbortSignal.any([signal, leading.signal])).finally(() => leading.abort());
    led.catch(() => undefined);
    await this.#renew(startMs, AbortSignal.any([signal, leading.signal]));
    leading.abort();
    onLead(false);
    try {
      await led;
    } finally {
      if (signal.aborted) await this.#release();
      else log.warn({ ...fields, error: this.#problem }, 'this program is not the leader any more');
    }
  }

  /** Resolves when the lease is lost, or the signal is aborted. */
  async #renew(startMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { renewMs, retryMs, identity } = this.#config;
    let renewedMs = startMs;
    while (!signal.aborted) {
      await clock.sleep(retryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const nowMs = clock.monotonicMs();
      if (await this.#attempt(signal, renewedMs + renewMs - nowMs)) renewedMs = nowMs;
      else if (this.#holder !== identity) return;
      if (clock.monotonicMs() - renewedMs >= renewMs) return;
    }
  }

  /** Whether we hold the lease now. */
  async #attempt(signal: AbortSignal, limitMs = this.#config.renewMs): Promise<boolean> {
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    const done = new AbortController();
    this.#deps.clock.sleep(Math.max(limitMs, 0), done.signal).then(
      () => over.abort(new Error(`no answer within ${Math.round(limitMs)} ms`)),
      () => undefined,
    );
    try {
      const holds = await this.#acquire(stop);
      this.#problem = '';
      return holds;
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
      return false;
    } finally {
      done.abort();
    }
  }

  #failed(error: unknown): void {
    const { log, onFailure } = this.#deps;
    onFailure();
    if (this.#problem === '') {
      log.warn({ component: 'election', error: explain(error) }, 'the lease cannot be used');
    }
    this.#problem = explain(error);
  }

  async #acquire(signal: AbortSignal): Promise<boolean> {
    const { identity } = this.#config;
    const lease = await this.#read(signal);
    if (lease !== undefined) this.#look(lease);
    const isFree = lease === undefined || lease.holder === '' || lease.holder === identity;
    if (!isFree && !this.#isExpired(lease)) return false;
    const isWritten = await this.#write(lease, identity, signal);
    if (isWritten) this.#holder = identity;
    return isWritten;
  }

  #look(lease: Lease): void {
    const seen = JSON.stringify(lease);
    this.#holder = lease.holder;
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#seenMs = this.#deps.clock.monotonicMs();
  }

  #isExpired({ durationMs }: Lease): boolean {
    const waitMs = durationMs > 0 ? durationMs : this.#config.leaseMs;
    return this.#deps.clock.monotonicMs() - this.#seenMs >= waitMs;
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    const path = `${this.#path}/${encodeURIComponent(this.#config.name)}`;
    const answer = await this.#ask({ path }, NOT_FOUND, signal);
    if (answer === undefined) return undefined;
    const { metadata, spec } = recordOf(answer);
    const given = recordOf(spec);
    const { leaseDurationSeconds, leaseTransitions } = given;
    return {
      holder: textOf(given.holderIdentity),
      durationMs: 1000 * (Number(leaseDurationSeconds) || 0),
      transitions: Number(leaseTransitions) || 0,
      acquireTime: textOf(given.acquireTime),
      metadata: recordOf(metadata),
    };
  }

  /** False: another program was faster. */
  async #write(lease: Lease | undefined, holder: string, signal: AbortSignal): Promise<boolean> {
    const { name, namespace, leaseMs } = this.#config;
    const now = `${new Date(this.#deps.clock.nowMs()).toISOString().slice(0, -1)}000Z`;
    const isRenewal = lease?.holder === holder;
    const isChange = lease !== undefined && !isRenewal && holder !== '';
    const body = JSON.stringify({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: lease?.metadata ?? { name, namespace },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: holder === '' ? 1 : Math.ceil(leaseMs / 1000),
        acquireTime: isRenewal && lease.acquireTime !== '' ? lease.acquireTime : now,
        renewTime: now,
        leaseTransitions: (lease?.transitions ?? 0) + (isChange ? 1 : 0),
      },
    });
    const request =
      lease === undefined
        ? ({ method: 'POST', path: this.#path, body } as const)
        : ({ method: 'PUT', path: `${this.#path}/${encodeURIComponent(name)}`, body } as const);
    return (await this.#ask(request, CONFLICT, signal)) !== undefined;
  }

  /** Undefined: the answer was this status. */
  async #ask(
    request: Parameters<typeof readJson>[2],
    expected: number,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      return await readJson(this.#deps.client, `Lease ${this.#config.name}`, request, signal);
    } catch (error) {
      if (error instanceof NetobservError && error.details.status === expected) return undefined;
      throw error;
    }
  }

  /** The next leader need not wait. */
  async #release(): Promise<void> {
    const over = new AbortController();
    const late = new AbortController();
    this.#deps.clock.sleep(RELEASE_MS, over.signal).then(
      () => late.abort(),
      () => undefined,
    );
    try {
      const lease = await this.#read(late.signal);
      if (lease?.holder === this.#config.identity) await this.#write(lease, '', late.signal);
    } catch (error) {
      this.#failed(error);
    } finally {
      over.abort();
    }
  }
}
