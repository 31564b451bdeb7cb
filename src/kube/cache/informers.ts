import { aborted } from '../../base/aborted.ts';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { type Environment, findAccess } from '../access.ts';
import { KubeClient } from '../client.ts';
import type { NetworkIndex } from '../index/needs.ts';
import { kindsToRead } from '../index/owners.ts';
import { createKubeMetrics, type KubeMetrics } from '../metrics.ts';
import type { ReflectorLimits } from '../reflector.ts';
import { Watchers } from '../watchers.ts';
import { Catalogue } from './catalogue.ts';
import { createDiscovery, type Discovery, type DiscoveryConfig } from './discovery.ts';
import { Election, type ElectionConfig } from './election.ts';
import { createInformersMetrics, type InformersMetrics } from './informers-metrics.ts';
import { Link, type LinkConfig, type LinkDeps, type LinkStatus } from './link.ts';

export interface InformersConfig {
  /** Path of a kubeconfig; empty: the usual places. */
  readonly configPath: string;
  readonly networks: readonly NetworkIndex[];
  readonly managedCni: readonly string[];
  readonly trackedKinds: readonly string[];
  readonly discovery: DiscoveryConfig;
  readonly link: LinkConfig;
  /** Undefined: this is the only one. */
  readonly election: ElectionConfig | undefined;
}

export interface InformersDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly env: Environment;
  readonly random: () => number;
  readonly resolve: (name: string) => Promise<readonly string[]>;
}

/** For `/status`. */
export interface InformersStatus {
  readonly leader: boolean;
  /** The leader, as last seen. */
  readonly holder: string;
  readonly objects: number;
  readonly problem: string;
  readonly processors: readonly LinkStatus[];
}

/** Processors that are served; further ones are counted. */
const PROCESSORS_MAX = 5000;
const SWEEP_MS = 60_000;

interface Served {
  readonly link: Link;
  readonly stop: AbortController;
  readonly run: Promise<void>;
}

/** The parts of a leader. */
interface Lead {
  readonly catalogue: Catalogue;
  readonly watchers: Watchers;
  readonly discovery: Discovery;
  readonly served: Map<string, Served>;
}

/** Reads the API once, for all processors. Of several such programs, the leader does. */
export class Informers implements Component {
  readonly #config: InformersConfig;
  readonly #deps: InformersDeps;
  readonly #limits: Partial<ReflectorLimits>;
  readonly #metrics: InformersMetrics;
  readonly #kubeMetrics: KubeMetrics;
  readonly #stopping = new AbortController();
  readonly #failure = Promise.withResolvers<never>();
  #client: KubeClient | undefined;
  #election: Election | undefined;
  #run: Promise<void> | undefined;
  #lead: Lead | undefined;

  constructor(config: InformersConfig, deps: InformersDeps, limits: Partial<ReflectorLimits> = {}) {
    this.#config = config;
    this.#deps = deps;
    this.#limits = limits;
    this.#metrics = createInformersMetrics(deps.metrics);
    this.#kubeMetrics = createKubeMetrics(deps.metrics);
    this.#failure.promise.catch(() => undefined);
  }

  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  /** Rejects with `ERR_KUBE_CONFIG`. */
  async start(signal: AbortSignal): Promise<void> {
    const { log, metrics, env, clock, random } = this.#deps;
    const { configPath, election } = this.#config;
    const report = renewalReport('election', { log, counts: metrics });
    const client = new KubeClient(await findAccess(configPath, env, report));
    this.#client = client;
    const stop = AbortSignal.any([signal, this.#stopping.signal]);
    const lead = (leading: AbortSignal): Promise<void> => this.#leads(client, leading);
    const onLead = (isLeader: boolean): void => this.#metrics.leads(isLeader);
    if (election === undefined) {
      onLead(true);
      this.#run = lead(stop);
    } else {
      const onFailure = (): void => this.#metrics.failed('election');
      const deps = { client, clock, log, random, onLead, onFailure };
      this.#election = new Election(election, deps);
      this.#run = this.#election.run(lead, stop);
    }
    this.#run.catch((error: unknown) => this.#failure.reject(error));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#run?.catch(() => undefined);
    await this.#client?.close();
  }

  /** Ready: a leader that knows the cluster, or a candidate that knows the leader. */
  state(): HealthState {
    if (this.#lead !== undefined) {
      const state = this.#lead.watchers.state();
      const { problem } = this.#lead.discovery;
      if (!state.ok || problem === '') return state;
      return { ok: true, note: `processors cannot be looked for: ${problem}` };
    }
    const { holder = '', problem = '' } = this.#election ?? {};
    if (problem !== '') return { ok: false, reason: `the lease cannot be used: ${problem}` };
    if (holder === '') return { ok: false, reason: 'there is not a leader yet' };
    return { ok: true, note: `the leader is ${holder}` };
  }

  status(): InformersStatus {
    const served = [...(this.#lead?.served.values() ?? [])];
    return {
      leader: this.#lead !== undefined,
      holder: this.#election?.holder ?? '',
      objects: this.#lead?.catalogue.size ?? 0,
      problem: this.#election?.problem ?? '',
      processors: served.map(({ link }) => link.status()),
    };
  }

  /** Serves processors until the signal. */
  async #leads(client: KubeClient, signal: AbortSignal): Promise<void> {
    const { log, clock, random, resolve } = this.#deps;
    const { trackedKinds, networks, managedCni, configPath, discovery } = this.#config;
    const metrics = this.#metrics;
    const kubeMetrics = this.#kubeMetrics;
    const catalogue = new Catalogue(trackedKinds, { clock, metrics: kubeMetrics });
    const watchers = new Watchers({ ...this.#deps, kubeMetrics }, this.#limits);
    const found = createDiscovery(
      discovery,
      { client, clock, log, random, kubeMetrics, metrics, resolve },
      this.#limits,
    );
    const served = new Map<string, Served>();
    this.#lead = { catalogue, watchers, discovery: found, served };
    using _sweeps = clock.every(SWEEP_MS, () => catalogue.sweep());
    try {
      // Others decide what they keep.
      const everything = [{ inclusions: undefined, exclusions: [] }];
      await watchers.start(
        catalogue,
        {
          ...{ configPath, networks, managedCni, trackedKinds },
          ...{ labels: everything, annotations: everything },
          ownerKinds: kindsToRead(trackedKinds),
        },
        signal,
      );
      const complete = Promise.race([watchers.synced, aborted(signal)]);
      const deps = { catalogue, complete, clock, log, random, metrics };
      await found.run((addresses) => this.#serve(addresses, served, deps, signal), signal);
    } finally {
      this.#lead = undefined;
      for (const { stop } of served.values()) stop.abort();
      await Promise.all([...served.values()].map(({ run }) => run));
      await watchers.stop();
      catalogue.close();
    }
  }

  /** Begins with processors that are new, and leaves those that are gone. */
  #serve(
    addresses: ReadonlySet<string>,
    served: Map<string, Served>,
    deps: LinkDeps,
    signal: AbortSignal,
  ): void {
    if (signal.aborted) return;
    for (const [address, { stop }] of served) {
      if (addresses.has(address)) continue;
      stop.abort();
      served.delete(address);
    }
    for (const address of addresses) {
      if (served.has(address)) continue;
      if (served.size >= PROCESSORS_MAX) {
        this.#metrics.failed('discovery');
        break;
      }
      const stop = new AbortController();
      const link = new Link(address, this.#config.link, deps);
      const run = link.run(AbortSignal.any([signal, stop.signal]));
      served.set(address, { link, stop, run });
    }
  }
}
