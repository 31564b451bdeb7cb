import { randomBytes } from 'node:crypto';
import { type Clock, kernelMonotonicMs } from '../base/clock.ts';
import type { Component } from '../base/component.ts';
import { runAll } from '../base/run-all.ts';
import type { FlowBatch } from '../flow/batch.ts';
import type { HealthState } from '../telemetry/health.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type HostAddresses, systemAddresses } from './address.ts';
import { AddressWatch } from './address-watch.ts';
import { checkAgentConfig, checkFlowsConfig } from './check.ts';
import type { AgentConfig } from './config.ts';
import { Connections } from './connections/connections.ts';
import { Ledger } from './drain/accounting.ts';
import { Bookkeeper, type Books } from './drain/books.ts';
import { Drainer } from './drain/drainer.ts';
import { MessageReader } from './drain/messages.ts';
import { VitalSigns, type Vitals } from './drain/vitals.ts';
import { createGuard } from './interfaces/guard.ts';
import { macPreferences } from './interfaces/mac-preference.ts';
import { InterfaceNames } from './interfaces/names.ts';
import { SocketHub } from './interfaces/socket-hub.ts';
import { type InterfaceRow, InterfaceTracker } from './interfaces/tracker.ts';
import { Hooks } from './loader/hooks.ts';
import { ManagedHooks } from './loader/managed-hooks.ts';
import type { BpfObject, Native } from './loader/native.ts';
import { FLOW_MAPS, type LoadedObject, loadDatapath, WAKE_MAP } from './loader/object.ts';
import { openPinned } from './loader/pinned.ts';
import { type AttachedFeatures, attachFeatures, type FeatureStatus } from './loader/probes.ts';
import { TAG_SECRET_BYTES } from './loader/tags.ts';
import { type AgentMetrics, declareMetrics } from './metrics.ts';
import { type Capability, NEEDED_TO_RUN } from './privileges.ts';
import {
  type AgentReadiness,
  drainLiveness,
  drainReadiness,
  FINE,
  NOT_RUNNING,
} from './readiness.ts';
import type { ExtensionKey, Tracker } from './trackers/tracker.ts';

export interface AgentDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly native: Native;
  /** Bytes of the compiled datapath, flows.bpf.o. */
  readonly object: Uint8Array;
  /** An empty batch with the columns that are wanted; others are not decoded. */
  readonly take: () => FlowBatch;
  /** Takes the batch back, filled; false: it was dropped. */
  readonly emit: (batch: FlowBatch) => boolean;
  /**
   * Flows may have no packets, but only what a feature has to tell. Collectors of others would
   * count and list them as flows. Default false: what has no flow to be told on is counted.
   */
  readonly takesEmptyFlows?: boolean;
  /** Folder of named network namespaces; default /var/run/netns. */
  readonly namespaceDirectory?: string;
  /** Where the kernel shows processes; default /proc. */
  readonly processDirectory?: string;
  /** Default: the machine's. */
  readonly addresses?: HostAddresses;
  /** That many bytes that nobody can guess; default: the machine's. */
  readonly secret?: (bytes: number) => Uint8Array;
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly kernelMonotonicMs?: () => number;
  /**
   * Somebody waits at a terminal: a start where none of the INTERFACES is there is refused, since
   * they are most likely mistakes. Otherwise it is said, and they may come. Default false.
   */
  readonly isInteractive?: boolean;
}

export interface AgentStatus {
  readonly interfaces: readonly InterfaceRow[];
  /** Those that were asked for. */
  readonly features: readonly FeatureStatus[];
  /** Undefined before the datapath is loaded. */
  readonly accounting: Books | undefined;
  /** Undefined while it does not run. */
  readonly vitals: Vitals | undefined;
}

export interface Agent extends Component {
  status(): AgentStatus;
  readiness(): AgentReadiness;
  /** Not alive: it does not recover by itself. */
  liveness(): HealthState;
  /** Hands over, now, all flows counted before the call. */
  drainNow(): Promise<void>;
  /** What it goes on to need of those capabilities that it was started with. */
  capabilities(): readonly Capability[];
}

/** Watches interfaces with eBPF and hands on what passes them as batches of flows. */
export function createAgent(config: AgentConfig, deps: AgentDeps): Agent {
  return new HostAgent(config, deps);
}

interface Running {
  readonly object: BpfObject;
  readonly hub: SocketHub;
  readonly books: Bookkeeper;
  readonly vitals: VitalSigns;
  readonly drainer: Drainer;
  readonly messages: MessageReader;
  readonly tracker: InterfaceTracker;
  readonly attached: AttachedFeatures;
  readonly trackers: readonly Tracker[];
}

class HostAgent implements Agent {
  readonly #config: AgentConfig;
  readonly #deps: AgentDeps;
  readonly #metrics: AgentMetrics;
  readonly #failure = Promise.withResolvers<never>();
  #running: Running | undefined;
  #address: AddressWatch | undefined;
  #accounting: Books | undefined;

  constructor(config: AgentConfig, deps: AgentDeps) {
    this.#config = config;
    this.#deps = deps;
    // An agent may fail with nobody waiting for it.
    this.#failure.promise.catch(() => undefined);
    this.#metrics = declareMetrics(deps.metrics, config.metricsLevel, deps.clock);
  }

  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { log, native } = this.#deps;
    checkFlowsConfig(this.#config);
    for (const warning of checkAgentConfig(this.#config)) log.warn(warning);
    const address = new AddressWatch(this.#config, {
      ...this.#deps,
      host: this.#deps.addresses ?? systemAddresses,
    });
    await address.start();
    this.#address = address;
    signal.throwIfAborted();

    const secret = (this.#deps.secret ?? randomBytes)(TAG_SECRET_BYTES);
    const loaded = this.#config.ebpfProgramManagerMode
      ? openPinned(native, this.#deps.object, this.#config)
      : loadDatapath(native, this.#deps.object, this.#config, { secret });
    if (!loaded.knowsNamespaces) {
      log.info('the kernel does not tell hooks their network namespace: names go by index and MAC');
    }
    const running = await this.#open(loaded, address);
    this.#running = running;
    this.#metrics.samplingRate.set(this.#config.sampling);
    running.hub.addRing(running.object, WAKE_MAP, () => running.drainer.wake());
    running.messages.watch(running.hub);
    // Before the first hook: what it sees is drained even if the others take their time.
    running.drainer.start(this.#config.cacheActiveTimeoutMs);
    await running.tracker.start(signal);
    // Others' hooks are there already, and may have been given no map to write to.
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
    const { object, hub, books, drainer, tracker, attached, trackers } = running;
    await runAll([
      // Hooks go slowly, and whoever asked for the end may not wait for all of them: what is there
      // is handed on first, and what still comes is drained as before. Flows of a drain that fails
      // are those of the next one.
      () => drainer.drain('closing').catch(() => undefined),
      () => tracker.stop(),
      () => attached.detach(),
      // No hook is left by now, so nothing can be counted after this.
      () => drainer.stop(),
      ...trackers.map((one) => () => one.stop?.()),
      () => {
        this.#accounting = books.view();
      },
      () => hub.close(),
      () => this.#deps.native.close(object),
    ]);
  }

  status(): AgentStatus {
    const running = this.#running;
    if (running === undefined) {
      return { interfaces: [], features: [], accounting: this.#accounting, vitals: undefined };
    }
    running.books.refresh();
    return {
      interfaces: running.tracker.rows(),
      features: running.attached.statuses,
      accounting: running.books.view(),
      vitals: running.vitals.view(),
    };
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
      ...NEEDED_TO_RUN,
      // To find the namespaces that containers have.
      ...(this.#config.listenContainersPeriodMs > 0 ? (['CAP_SYS_PTRACE'] as const) : []),
      ...features.flatMap(({ spec }) => spec.capabilities?.run ?? []),
    ];
  }

  async drainNow(): Promise<void> {
    await this.#running?.drainer.drain('asked');
  }

  /** What was loaded is let go when the rest cannot be made. */
  async #open(loaded: LoadedObject, address: AddressWatch): Promise<Running> {
    try {
      const attached = await attachFeatures(loaded, { ...this.#deps, metrics: this.#metrics });
      return this.#compose(loaded, attached, address);
    } catch (error) {
      this.#deps.native.close(loaded.object);
      throw error;
    }
  }

  #compose(loaded: LoadedObject, attached: AttachedFeatures, address: AddressWatch): Running {
    const { native, clock, log, take, emit } = this.#deps;
    const { object, knowsNamespaces, valueBytes } = loaded;
    const metrics = this.#metrics;
    const monotonicMs = this.#deps.kernelMonotonicMs ?? kernelMonotonicMs;
    const shared = { native, object, clock, log, metrics, kernelMonotonicMs: monotonicMs };
    const messages = new MessageReader(native, object, metrics);
    const preferences = macPreferences(this.#config.preferredInterfaceForMacPrefix);
    const names = new InterfaceNames({ exact: knowsNamespaces, preferences });
    const { maxEntries } = native.describeMap(object, FLOW_MAPS[0]);
    const connections = new Connections({
      flowsMax: maxEntries,
      idleMs: this.#config.cacheIdleTimeoutMs,
      metrics,
    });
    const offsetOf = (key: ExtensionKey): number =>
      attached.features.find(({ spec }) => spec.extension?.at === key)?.at ?? 0;
    const trackerDeps = {
      ...{ ...shared, config: this.#config, connections, messages, offsetOf },
      takesEmptyFlows: this.#deps.takesEmptyFlows ?? false,
    };
    const features = attached.features
      .map(({ spec, at }) => spec.tracker?.(trackerDeps, at))
      .filter((tracker) => tracker !== undefined);
    const trackers = [connections, ...features];
    const hub = new SocketHub(native, this.#failure.reject);
    const ledger = new Ledger(native, object, metrics, { rules: this.#config.flowFilterRules });
    const books = new Bookkeeper(ledger, metrics);
    // Once each: one program may hang on several functions.
    const probes = new Set(
      attached.features.flatMap((feature) => feature.probes.map(({ program }) => program)),
    );
    const vitals = new VitalSigns({ ...shared, probes: [...probes] }, maxEntries);
    const drainer = new Drainer({
      ...shared,
      ledger,
      books,
      vitals,
      names,
      take,
      emit,
      agentIp: () => address.current(),
      valueBytes,
      trackers,
    });
    const isManaged = this.#config.ebpfProgramManagerMode;
    const { facts, guard, owner } = createGuard(this.#config, { ...shared, knowsNamespaces });
    const tracker = new InterfaceTracker(this.#config, {
      ...shared,
      hub,
      facts,
      guard,
      hooks: isManaged
        ? new ManagedHooks(this.#config)
        : new Hooks(this.#config, { ...shared, owner }),
      names,
      namespaceDirectory: this.#deps.namespaceDirectory ?? '/var/run/netns',
      processDirectory: this.#deps.processDirectory ?? '/proc',
      isInteractive: this.#deps.isInteractive ?? false,
    });
    return { object, hub, books, vitals, drainer, messages, tracker, attached, trackers };
  }
}
