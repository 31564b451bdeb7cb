import type { Clock } from '../base/clock.ts';
import type { HealthState } from '../telemetry/health.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { renewalReport } from '../telemetry/renewals.ts';
import { type Environment, findAccess } from './access.ts';
import type { KubeClient } from './client.ts';
import { ClusterIndex, type IndexLimits } from './index/cluster-index.ts';
import type { ClusterNeeds } from './index/needs.ts';
import { kindsToRead } from './index/owners.ts';
import { Slimmer } from './index/slim.ts';
import { createKubeMetrics } from './metrics.ts';
import {
  type KubeResource,
  Reflector,
  type ReflectorDeps,
  type ReflectorLimits,
} from './reflector.ts';

export interface ClusterDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly env?: Environment;
  /** From 0 to 1. */
  readonly random: () => number;
}

export interface ClusterLimits {
  readonly index?: Partial<IndexLimits>;
  readonly reflector?: Partial<ReflectorLimits>;
  /** How long `start` waits for the first lists, milliseconds. */
  readonly syncMs?: number;
}

const SYNC_MS = 30_000;
const SWEEP_MS = 60_000;
/** Names may be wrong if the API has confirmed nothing for this long, though it seems to answer. */
const STALE_MS = 5 * 60_000;

/** The controller's own slices have pods only, and change whenever one of these does. */
const SLICES: KubeResource = {
  name: 'endpointslices',
  path: '/apis/discovery.k8s.io/v1/endpointslices',
  selector: 'endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io',
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

/**
 * The cluster that flows are named after. It is made once per pipeline and shared by all stages:
 * each says what it needs while it is made. It does nothing unless one does.
 */
export class Cluster {
  readonly index: ClusterIndex;
  readonly #deps: ClusterDeps;
  readonly #limits: ClusterLimits;
  readonly #needs: ClusterNeeds[] = [];
  readonly #metrics: ReturnType<typeof createKubeMetrics>;
  readonly #stopping = new AbortController();
  #client: KubeClient | undefined;
  #reflectors: readonly Reflector<unknown>[] = [];
  #runs: readonly Promise<void>[] = [];
  #sweeps: Disposable | undefined;

  constructor(deps: ClusterDeps, limits: ClusterLimits = {}) {
    this.#deps = deps;
    this.#limits = limits;
    this.#metrics = createKubeMetrics(deps.metrics, () => this.index.reportHits());
    this.index = new ClusterIndex({ clock: deps.clock, metrics: this.#metrics }, limits.index);
  }

  /** Called before `start`, by each stage that reads the index. */
  need(needs: ClusterNeeds): void {
    this.#needs.push(needs);
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
   * An API that is away delays the start, but does not prevent it. Rejects with `ERR_KUBE_CONFIG`.
   */
  async start(signal: AbortSignal): Promise<void> {
    if (!this.isNeeded) return;
    const { log, metrics, clock, env = {} } = this.#deps;
    const report = renewalReport('kubernetes', { log, counts: metrics });
    const access = await findAccess(this.configPath ?? '', env, report);
    const { KubeClient: Client } = await import('./client.ts');
    this.#client = new Client(access);
    this.#reflectors = this.#makeReflectors(this.#client);
    const stop = AbortSignal.any([signal, this.#stopping.signal]);
    this.#runs = this.#reflectors.map((reflector) => reflector.run(stop));
    this.#sweeps = clock.every(SWEEP_MS, () => this.index.sweep());
    await this.#firstLists(stop);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#sweeps?.[Symbol.dispose]();
    await this.#client?.close();
    await Promise.all(this.#runs);
  }

  /**
   * Ready once everything was listed. What is known stays in use while the API is away; the note
   * says so, and for how long.
   */
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

  #makeReflectors(client: KubeClient): readonly Reflector<unknown>[] {
    const { clock, log, random } = this.#deps;
    const deps: ReflectorDeps = { client, clock, log, random, metrics: this.#metrics };
    const slim = new Slimmer(joined(this.#needs));
    const { index } = this;
    const limits = this.#limits.reflector;
    const objects = [
      { name: 'nodes', reflection: index.reflection('Node', (object) => slim.node(object)) },
      { name: 'pods', reflection: index.reflection('Pod', (object) => slim.pod(object)) },
      { name: 'services', reflection: index.reflection('Service', (one) => slim.service(one)) },
    ].map(
      ({ name, reflection }) =>
        new Reflector({ name, path: `/api/v1/${name}` }, reflection, deps, limits),
    );
    const slices = index.reflection('EndpointSlice', (object) => slim.endpointSlice(object));
    const kinds = new Set(this.#needs.flatMap(({ trackedKinds }) => kindsToRead(trackedKinds)));
    const owners = [...kinds].map((kind) => {
      const path = OWNER_PATHS[kind]!;
      const name = path.slice(path.lastIndexOf('/') + 1);
      const resource = { name, path, metadataOnly: true, isOptional: true };
      return new Reflector(resource, index.ownerReflection(kind), deps, limits);
    });
    return [
      ...objects,
      new Reflector(SLICES, slices, deps, limits),
      ...owners,
    ] as Reflector<unknown>[];
  }

  async #firstLists(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    const enough = new AbortController();
    const late = clock
      .sleep(this.#limits.syncMs ?? SYNC_MS, AbortSignal.any([signal, enough.signal]))
      .then(() => log.warn({ component: 'kube' }, 'Kubernetes is not listed yet; flows lack names'))
      // Not needed any more.
      .catch(() => undefined);
    await Promise.race([Promise.all(this.#reflectors.map(({ synced }) => synced)), late]);
    enough.abort();
  }
}

/** The needs of all stages together. */
function joined(needs: readonly ClusterNeeds[]): ClusterNeeds {
  const networks = needs.flatMap((one) => one.networks);
  const distinct = new Map(networks.map((index) => [JSON.stringify(index), index]));
  return {
    configPath: needs[0]!.configPath,
    networks: [...distinct.values()],
    managedCni: needs.flatMap(({ managedCni }) => managedCni),
    trackedKinds: needs.flatMap(({ trackedKinds }) => trackedKinds),
    labels: needs.flatMap(({ labels }) => labels),
    annotations: needs.flatMap(({ annotations }) => annotations),
  };
}
