import type { Clock } from '../base/clock.ts';
import type { HealthState } from '../telemetry/health.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { renewalReport } from '../telemetry/renewals.ts';
import { type Environment, findAccess } from './access.ts';
import type { KubeClient } from './client.ts';
import type { ClusterFeed, ClusterSink, FeedNeeds } from './feed.ts';
import { Slimmer } from './index/slim.ts';
import type { KubeMetrics } from './metrics.ts';
import {
  type KubeResource,
  Reflector,
  type ReflectorDeps,
  type ReflectorLimits,
} from './reflector.ts';

export interface WatcherDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly kubeMetrics: KubeMetrics;
  readonly clock: Clock;
  readonly env?: Environment;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Names may be wrong if the API has confirmed nothing for this long, though it seems to answer. */
const STALE_MS = 5 * 60_000;

/** The controller's own slices have pods only, and change whenever one of these does. */
const SLICES: KubeResource = {
  name: 'endpointslices',
  path: '/apis/discovery.k8s.io/v1/endpointslices',
  labelSelector: 'endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io',
  isOptional: true,
};

/** Where the API has the kinds that own others. */
const OWNER_PATHS: Readonly<Record<string, string>> = {
  ReplicaSet: '/apis/apps/v1/replicasets',
  Deployment: '/apis/apps/v1/deployments',
  StatefulSet: '/apis/apps/v1/statefulsets',
  DaemonSet: '/apis/apps/v1/daemonsets',
  Job: '/apis/batch/v1/jobs',
  VirtualMachineInstance: '/apis/kubevirt.io/v1/virtualmachineinstances',
};

/** Lists and watches what names are made of. */
export class Watchers implements ClusterFeed {
  readonly #deps: WatcherDeps;
  readonly #limits: Partial<ReflectorLimits>;
  #stopping = new AbortController();
  #client: KubeClient | undefined;
  #reflectors: readonly Reflector<unknown>[] = [];
  #runs: readonly Promise<void>[] = [];

  constructor(deps: WatcherDeps, limits: Partial<ReflectorLimits> = {}) {
    this.#deps = deps;
    this.#limits = limits;
  }

  get synced(): Promise<unknown> {
    return Promise.all(this.#reflectors.map(({ synced }) => synced));
  }

  /** Rejects with `ERR_KUBE_CONFIG`. */
  async start(sink: ClusterSink, needs: FeedNeeds, signal: AbortSignal): Promise<void> {
    const { log, metrics, env = {} } = this.#deps;
    const report = renewalReport('kubernetes', { log, counts: metrics });
    const access = await findAccess(needs.configPath, env, report);
    const { KubeClient: Client } = await import('./client.ts');
    await this.stop();
    this.#stopping = new AbortController();
    this.#client = new Client(access);
    this.#reflectors = this.#makeReflectors(this.#client, sink, needs);
    const stop = AbortSignal.any([signal, this.#stopping.signal]);
    this.#runs = this.#reflectors.map((reflector) => reflector.run(stop));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#client?.close();
    await Promise.all(this.#runs);
  }

  /** Ready once everything was listed. */
  state(): HealthState {
    const missing = this.#reflectors.filter(({ isSynced }) => !isSynced);
    if (missing.length > 0 || this.#reflectors.length === 0) {
      const reasons = missing.map(({ name, problem }) => `${name} ${problem}`.trim());
      return { ok: false, reason: `not yet listed: ${reasons.join('; ') || 'everything'}` };
    }
    const stale = this.#reflectors.filter(({ isCutOff, ageMs }) => isCutOff || ageMs > STALE_MS);
    if (stale.length === 0) return { ok: true };
    const notes = stale.map(
      ({ name, ageMs, problem }) => `${name} are ${Math.round(ageMs / 1000)} s old: ${problem}`,
    );
    return { ok: true, note: notes.join('; ') };
  }

  #makeReflectors(
    client: KubeClient,
    sink: ClusterSink,
    needs: FeedNeeds,
  ): readonly Reflector<unknown>[] {
    const { clock, log, random, kubeMetrics } = this.#deps;
    const deps: ReflectorDeps = { client, clock, log, random, metrics: kubeMetrics };
    const slim = new Slimmer(needs);
    const objects = [
      { name: 'nodes', reflection: sink.reflection('Node', (object) => slim.node(object)) },
      { name: 'pods', reflection: sink.reflection('Pod', (object) => slim.pod(object)) },
      { name: 'services', reflection: sink.reflection('Service', (one) => slim.service(one)) },
    ].map(
      ({ name, reflection }) =>
        new Reflector({ name, path: `/api/v1/${name}` }, reflection, deps, this.#limits),
    );
    const slices = sink.reflection('EndpointSlice', (object) => slim.endpointSlice(object));
    const optional =
      needs.readsSlices === true
        ? [new Reflector<unknown>(SLICES, slices, deps, this.#limits)]
        : [];
    const owners = needs.ownerKinds.map((kind) => {
      const path = OWNER_PATHS[kind]!;
      const name = path.slice(path.lastIndexOf('/') + 1);
      const resource = { name, path, metadataOnly: true, isOptional: true };
      return new Reflector(resource, sink.ownerReflection(kind), deps, this.#limits);
    });
    return [...objects, ...optional, ...owners] as Reflector<unknown>[];
  }
}
