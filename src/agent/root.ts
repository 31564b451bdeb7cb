import { runAll } from '../base/run-all.ts';
import type { FlowBatch } from '../flow/batch.ts';
import type { HealthState } from '../telemetry/health.ts';
import { type HostAddresses, systemAddresses } from './address.ts';
import { AddressWatch } from './address-watch.ts';
import type { Agent, AgentStatus, CommonAgentDeps } from './agent.ts';
import { checkAgentConfig, checkFlowsConfig } from './check.ts';
import type { AgentConfig } from './config.ts';
import { Connections } from './connections/connections.ts';
import type { AccountingView } from './drain/accounting.ts';
import { Drainer } from './drain/drainer.ts';
import { MessageReader } from './drain/messages.ts';
import { VitalsReader } from './drain/vitals.ts';
import type { ExtensionKey } from './features/feature.ts';
import type { FeatureReader } from './features/reader.ts';
import { FLOW_MAPS, type LoadedObject, WAKE_MAP } from './loader/object.ts';
import { type AttachedFeatures, attachFeatures } from './loader/probes.ts';
import { type AgentMetrics, createAgentMetrics } from './metrics.ts';
import { type Capability, neededToRun } from './privileges.ts';
import {
  type AgentReadiness,
  drainLiveness,
  drainReadiness,
  FINE,
  NOT_RUNNING,
} from './readiness.ts';
import { closingSteps, createWatch, openWatch, statusOf, type Watch } from './watch.ts';

export interface AgentDeps extends CommonAgentDeps {
  /** An empty batch with the wanted columns; others are not decoded. */
  readonly take: () => FlowBatch;
  /** Receives the filled batch; false: it was dropped. */
  readonly emit: (batch: FlowBatch) => boolean;
  /**
   * Accept flows without packets, which only have a feature's observations. Other collectors would
   * count and list them as flows. Default false: observations without a flow are counted.
   */
  readonly takesEmptyFlows?: boolean;
  /** Default: the machine's. */
  readonly addresses?: HostAddresses;
}

/** Watches interfaces with eBPF and hands on their traffic as batches of flows. */
export function createAgent(config: AgentConfig, deps: AgentDeps): Agent {
  return new HostAgent(config, deps);
}

interface Running extends Watch {
  readonly vitals: VitalsReader;
  readonly drainer: Drainer;
  readonly messages: MessageReader;
  readonly attached: AttachedFeatures;
  readonly readers: readonly FeatureReader[];
}

const NAMESPACES_UNKNOWN =
  'the kernel does not show hooks their network namespace: names go by index and MAC';

class HostAgent implements Agent {
  readonly #config: AgentConfig;
  readonly #deps: AgentDeps;
  readonly #metrics: AgentMetrics;
  readonly #failure = Promise.withResolvers<never>();
  #running: Running | undefined;
  #address: AddressWatch | undefined;
  #lastAccounting: AccountingView | undefined;

  constructor(config: AgentConfig, deps: AgentDeps) {
    this.#config = config;
    this.#deps = deps;
    // An agent may fail while nobody waits for it.
    this.#failure.promise.catch(() => undefined);
    this.#metrics = createAgentMetrics(deps.metrics, config.metricsLevel, deps.clock);
  }

  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { log } = this.#deps;
    checkFlowsConfig(this.#config);
    for (const warning of checkAgentConfig(this.#config)) log.warn(warning);
    const address = new AddressWatch(this.#config, {
      ...this.#deps,
      host: this.#deps.addresses ?? systemAddresses,
    });
    await address.start();
    this.#address = address;
    signal.throwIfAborted();

    const running = await openWatch(this.#config, this.#deps, async (loaded) => {
      if (!loaded.knowsNamespaces) log.info(NAMESPACES_UNKNOWN);
      const deps = { ...this.#deps, metrics: this.#metrics };
      return this.#compose(loaded, await attachFeatures(loaded, deps), address);
    });
    this.#running = running;
    this.#metrics.samplingRate.set(this.#config.sampling);
    running.hub.addRing(running.object, WAKE_MAP, () => running.drainer.wake());
    running.messages.watch(running.hub);
    // Starts before the first hook, whose flows are then drained even if other hooks are slow.
    running.drainer.start(this.#config.cacheActiveTimeoutMs);
    await running.tracker.start(signal);
    // Others' hooks are already there, and may have had no map to write to.
    if (this.#config.ebpfProgramManagerMode) await running.drainer.drain('asked');
    running.vitals.read();
    if (signal.aborted) return;
    log.info(
      { interfaces: running.tracker.rows().length, agent: address.current() },
      'agent started',
    );
  }

  async stop(): Promise<void> {
    this.#address?.stop();
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    const { drainer, tracker, attached, readers } = running;
    await runAll([
      // Detaching is slow, and the caller may not wait for all hooks: present flows are handed on
      // first, and later ones are drained as before. If a drain fails, its flows are in the next
      // one.
      () => drainer.drain('closing').catch(() => undefined),
      () => tracker.stop(),
      () => attached.detach(),
      // No hook remains, so nothing can be counted after this.
      () => drainer.stop(),
      ...readers.map((one) => () => one.stop?.()),
      ...closingSteps(running, (accounting) => {
        this.#lastAccounting = accounting;
      }),
    ]);
  }

  status(): AgentStatus {
    const running = this.#running;
    return statusOf(running, this.#lastAccounting, {
      features: running?.attached.statuses ?? [],
      vitals: running?.vitals.view(),
    });
  }

  readiness(): AgentReadiness {
    const running = this.#running;
    if (running === undefined) return NOT_RUNNING;
    const { tracker, drainer } = running;
    return { hooks: tracker.readiness(), drain: drainReadiness(drainer.progress()) };
  }

  liveness(): HealthState {
    return this.#running === undefined ? FINE : drainLiveness(this.#running.drainer.progress());
  }

  capabilities(): readonly Capability[] {
    const features = this.#running?.attached.features ?? [];
    return [
      ...neededToRun(this.#config),
      ...features.flatMap(({ spec }) => spec.capabilities?.run ?? []),
    ];
  }

  async drainNow(): Promise<void> {
    await this.#running?.drainer.drain('asked');
  }

  #compose(loaded: LoadedObject, attached: AttachedFeatures, address: AddressWatch): Running {
    const { native, take, emit } = this.#deps;
    const { object, valueBytes } = loaded;
    const metrics = this.#metrics;
    const watch = createWatch(this.#config, this.#deps, metrics, loaded, this.#failure.reject);
    const { shared } = watch;
    const messages = new MessageReader(native, object, metrics);
    const { maxEntries } = native.describeMap(object, FLOW_MAPS[0]);
    const connections = new Connections({
      flowsMax: maxEntries,
      idleMs: this.#config.cacheIdleTimeoutMs,
      metrics,
    });
    const offsetOf = (key: ExtensionKey): number =>
      attached.features.find(({ spec }) => spec.extension?.at === key)?.at ?? 0;
    const readerDeps = {
      ...{ ...shared, config: this.#config, connections, messages, offsetOf },
      takesEmptyFlows: this.#deps.takesEmptyFlows ?? false,
    };
    const features = attached.features
      .map(({ spec, at }) => spec.reader?.(readerDeps, at))
      .filter((reader) => reader !== undefined);
    const readers = [connections, ...features];
    // Each program once: it may be attached to several functions.
    const probes = new Set(
      attached.features.flatMap((feature) => feature.probes.map(({ program }) => program)),
    );
    const vitals = new VitalsReader({ ...shared, probes: [...probes] }, maxEntries);
    const { fates, accounting } = watch;
    const drainer = new Drainer({
      ...{ ...shared, fates, accounting, vitals, take, emit, valueBytes, readers },
      agentIp: () => address.current(),
    });
    return { ...watch, vitals, drainer, messages, attached, readers };
  }
}
