import { randomBytes } from 'node:crypto';
import { kernelMonotonicMs } from '../../base/clock.ts';
import { runAll } from '../../base/run-all.ts';
import type { HealthState } from '../../telemetry/health.ts';
import { checkCaptureConfig } from '../check.ts';
import type { AgentConfig } from '../config.ts';
import { Ledger } from '../drain/accounting.ts';
import { Bookkeeper, type Books } from '../drain/books.ts';
import { createGuard } from '../interfaces/guard.ts';
import { macPreferences } from '../interfaces/mac-preference.ts';
import { InterfaceNames } from '../interfaces/names.ts';
import { SocketHub } from '../interfaces/socket-hub.ts';
import { InterfaceTracker } from '../interfaces/tracker.ts';
import { Hooks } from '../loader/hooks.ts';
import type { BpfObject } from '../loader/native.ts';
import { type LoadedObject, loadDatapath, WAKE_MAP } from '../loader/object.ts';
import { TAG_SECRET_BYTES } from '../loader/tags.ts';
import { type AgentMetrics, declareMetrics } from '../metrics.ts';
import { type Capability, NEEDED_TO_RUN } from '../privileges.ts';
import { type AgentReadiness, acceptance, FINE, NOT_RUNNING } from '../readiness.ts';
import type { Agent, AgentDeps, AgentStatus } from '../root.ts';
import type { PacketExporter } from './exporter.ts';
import { PacketReader } from './reader.ts';

/** How long a packet waits to be read, unless many come. */
const READ_PERIOD_MS = 200;
/** How old what metrics say of the kernel's counts may be. */
const BOOKS_PERIOD_MS = 1000;

export interface PacketAgentDeps extends Omit<AgentDeps, 'take' | 'emit' | 'addresses'> {
  readonly exporter: Pick<PacketExporter, 'emit' | 'end'>;
}

/** Watches interfaces with eBPF and hands on the packets that the filter rules accept. */
export function createPacketAgent(config: AgentConfig, deps: PacketAgentDeps): Agent {
  return new PacketAgent(config, deps);
}

interface Running {
  readonly object: BpfObject;
  readonly hub: SocketHub;
  readonly ledger: Ledger;
  readonly books: Bookkeeper;
  readonly reader: PacketReader;
  readonly tracker: InterfaceTracker;
}

class PacketAgent implements Agent {
  readonly #config: AgentConfig;
  readonly #deps: PacketAgentDeps;
  readonly #metrics: AgentMetrics;
  readonly #failure = Promise.withResolvers<never>();
  #running: Running | undefined;
  #periodic: readonly Disposable[] = [];
  #isReading = false;
  #isRefused = false;
  #accounting: Books | undefined;

  constructor(config: AgentConfig, deps: PacketAgentDeps) {
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
    const { log, native, clock } = this.#deps;
    for (const warning of checkCaptureConfig(this.#config)) log.warn(warning);
    signal.throwIfAborted();
    const secret = (this.#deps.secret ?? randomBytes)(TAG_SECRET_BYTES);
    const loaded = loadDatapath(native, this.#deps.object, this.#config, { secret });
    const running = this.#open(loaded);
    this.#running = running;
    this.#metrics.samplingRate.set(this.#config.sampling);
    running.hub.addRing(running.object, WAKE_MAP, () => this.#read());
    this.#periodic = [
      clock.every(READ_PERIOD_MS, () => this.#read()),
      clock.every(BOOKS_PERIOD_MS, () => running.books.refresh()),
    ];
    await running.tracker.start(signal);
    if (signal.aborted) return;
    log.info({ interfaces: running.tracker.rows().length }, 'capture started');
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { object, hub, books, tracker } = running;
    await runAll([
      // Packets are read on until no hook is left.
      () => tracker.stop(),
      () => {
        for (const timer of this.#periodic) timer[Symbol.dispose]();
      },
      () => {
        this.#running = undefined;
        while (this.#readOnce(running)) {
          // Until the ring is empty.
        }
      },
      () => this.#end(books),
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
      features: [],
      accounting: running.books.view(),
      vitals: undefined,
    };
  }

  readiness(): AgentReadiness {
    const running = this.#running;
    if (running === undefined) return NOT_RUNNING;
    return { hooks: running.tracker.readiness(), drain: acceptance(this.#isRefused) };
  }

  /** What is read is read at once, or the agent ends. */
  liveness(): HealthState {
    return FINE;
  }

  capabilities(): readonly Capability[] {
    // The second, to find the namespaces that containers have.
    return this.#config.listenContainersPeriodMs > 0
      ? [...NEEDED_TO_RUN, 'CAP_SYS_PTRACE']
      : NEEDED_TO_RUN;
  }

  async drainNow(): Promise<void> {
    const running = this.#running;
    while (running !== undefined && this.#readOnce(running)) {
      // What has come before the call is read by then.
    }
  }

  #end(books: Bookkeeper): void {
    books.refresh();
    const { unrecorded } = books.view();
    const lost = [unrecorded.capture_full, unrecorded.pipeline_full];
    this.#deps.exporter.end(lost.reduce((sum, amount) => sum + (amount?.packets ?? 0), 0));
  }

  /** A capture that is always behind still lets timers and interfaces have their turns. */
  #read(): void {
    const running = this.#running;
    if (running === undefined || this.#isReading) return;
    this.#isReading = true;
    const isMore = this.#readOnce(running);
    void this.#deps.clock.sleep(0).then(() => {
      this.#isReading = false;
      if (isMore) this.#read();
    });
  }

  #readOnce({ reader, ledger }: Running): boolean {
    return reader.read((batch, { packets, bytes }) => {
      this.#metrics.evictedPackets.inc({ source: 'ringbuffer', reason: '' }, batch.count);
      this.#isRefused = !this.#deps.exporter.emit(batch);
      if (!this.#isRefused) ledger.addRecorded(packets, bytes);
      else ledger.addDropped(batch.count, packets, bytes);
    });
  }

  /** What was loaded is let go when the rest cannot be made. */
  #open(loaded: LoadedObject): Running {
    try {
      return this.#compose(loaded);
    } catch (error) {
      this.#deps.native.close(loaded.object);
      throw error;
    }
  }

  #compose({ object, knowsNamespaces }: LoadedObject): Running {
    const { native, clock, log } = this.#deps;
    const metrics = this.#metrics;
    const monotonicMs = this.#deps.kernelMonotonicMs ?? kernelMonotonicMs;
    const preferences = macPreferences(this.#config.preferredInterfaceForMacPrefix);
    const names = new InterfaceNames({ exact: knowsNamespaces, preferences });
    const shared = { native, object, clock, log, metrics, names, kernelMonotonicMs: monotonicMs };
    const hub = new SocketHub(native, this.#failure.reject);
    const { facts, guard, owner } = createGuard(this.#config, { ...shared, knowsNamespaces });
    const tracker = new InterfaceTracker(this.#config, {
      ...shared,
      hub,
      facts,
      guard,
      hooks: new Hooks(this.#config, { ...shared, owner }),
      namespaceDirectory: this.#deps.namespaceDirectory ?? '/var/run/netns',
      processDirectory: this.#deps.processDirectory ?? '/proc',
      isInteractive: this.#deps.isInteractive ?? false,
    });
    const { flowFilterRules: rules } = this.#config;
    const ledger = new Ledger(native, object, metrics, { rules, isCapture: true });
    const books = new Bookkeeper(ledger, metrics);
    return { object, hub, ledger, books, reader: new PacketReader(shared), tracker };
  }
}
