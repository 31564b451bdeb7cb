import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.ts';
import type { HealthState } from '../telemetry/health.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Environment } from './access.ts';
import type { ClusterFeed, FeedNeeds } from './feed.ts';
import { ClusterIndex, type IndexLimits } from './index/cluster-index.ts';
import type { ClusterNeeds } from './index/needs.ts';
import { kindsToRead } from './index/owners.ts';
import { createKubeMetrics } from './metrics.ts';
import type { ReflectorLimits } from './reflector.ts';
import { Watchers } from './watchers.ts';

export interface ClusterDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly env?: Environment;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Default: the API. */
  readonly feed?: ClusterFeed;
}

export interface ClusterLimits {
  readonly index?: Partial<IndexLimits>;
  readonly reflector?: Partial<ReflectorLimits>;
  /** How long `start` waits for the first lists, milliseconds. */
  readonly syncMs?: number;
}

const SYNC_MS = 30_000;
const SWEEP_MS = 60_000;

/**
 * The cluster that flows are named after. It is made once per pipeline and shared by all stages:
 * each says what it needs while it is made. It does nothing unless one does.
 */
export class Cluster {
  readonly index: ClusterIndex;
  readonly #deps: ClusterDeps;
  readonly #limits: ClusterLimits;
  #needs: readonly ClusterNeeds[] = [];
  /** The needs that the feed was started with. */
  #served: FeedNeeds | undefined;
  readonly #feed: ClusterFeed;
  readonly #stopping = new AbortController();
  #sweeps: Disposable | undefined;

  constructor(deps: ClusterDeps, limits: ClusterLimits = {}) {
    this.#deps = deps;
    this.#limits = limits;
    const kubeMetrics = createKubeMetrics(deps.metrics, () => this.index.reportHits());
    this.index = new ClusterIndex({ clock: deps.clock, metrics: kubeMetrics }, limits.index);
    this.#feed = deps.feed ?? new Watchers({ ...deps, kubeMetrics }, limits.reflector);
  }

  /** Called before `start`, by each stage that reads the index. */
  need(needs: ClusterNeeds): void {
    const isKnown = this.#needs.some((known) => isDeepStrictEqual(known, needs));
    if (!isKnown) this.#needs = [...this.#needs, needs];
  }

  get isNeeded(): boolean {
    return this.#needs.length > 0;
  }

  /** The kubeconfig that the stages name so far; undefined: none has named one. */
  get configPath(): string | undefined {
    return this.#needs[0]?.configPath;
  }

  /**
   * Begins to read, and waits a while for the first lists, so that the first flows get names, too.
   * An API that is away delays the start, but does not prevent it. Called again, it reads anew if
   * stages need more by now. Rejects with `ERR_KUBE_CONFIG`.
   */
  async start(signal: AbortSignal): Promise<void> {
    if (!this.isNeeded) return;
    const needs = joined(this.#needs);
    if (isDeepStrictEqual(needs, this.#served)) return;
    const stop = AbortSignal.any([signal, this.#stopping.signal]);
    await this.#feed.start(this.index, needs, stop);
    this.#served = needs;
    this.#sweeps ??= this.#deps.clock.every(SWEEP_MS, () => this.index.sweep());
    await this.#firstLists(stop);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#sweeps?.[Symbol.dispose]();
    await this.#feed.stop();
  }

  /** Ready once everything was listed; see `ClusterFeed`. */
  state(): HealthState {
    return this.#feed.state();
  }

  async #firstLists(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    const enough = new AbortController();
    const late = clock
      .sleep(this.#limits.syncMs ?? SYNC_MS, AbortSignal.any([signal, enough.signal]))
      .then(() => log.warn({ component: 'kube' }, 'Kubernetes is not listed yet; flows lack names'))
      // Not needed any more.
      .catch(() => undefined);
    await Promise.race([this.#feed.synced, late]);
    enough.abort();
  }
}

/** The needs of all stages together. */
function joined(needs: readonly ClusterNeeds[]): FeedNeeds {
  const networks = needs.flatMap((one) => one.networks);
  const distinct = new Map(networks.map((index) => [JSON.stringify(index), index]));
  return {
    configPath: needs[0]!.configPath,
    networks: [...distinct.values()],
    managedCni: needs.flatMap(({ managedCni }) => managedCni),
    trackedKinds: needs.flatMap(({ trackedKinds }) => trackedKinds),
    readsSlices: true,
    ownerKinds: [...new Set(needs.flatMap(({ trackedKinds }) => kindsToRead(trackedKinds)))],
    labels: needs.flatMap(({ labels }) => labels),
    annotations: needs.flatMap(({ annotations }) => annotations),
  };
}
