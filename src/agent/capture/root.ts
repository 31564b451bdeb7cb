import { runAll } from '../../base/run-all.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { Agent, AgentStatus, CommonAgentDeps } from '../agent.ts';
import { checkCaptureConfig } from '../check.ts';
import type { AgentConfig } from '../config.ts';
import type { AccountingView } from '../drain/accounting.ts';
import { WAKE_MAP } from '../loader/object.ts';
import { type AgentMetrics, createAgentMetrics } from '../metrics.ts';
import { type Capability, neededToRun } from '../privileges.ts';
import { type AgentReadiness, acceptance, FINE, NOT_RUNNING } from '../readiness.ts';
import { closingSteps, createWatch, openWatch, statusOf, type Watch } from '../watch.ts';
import type { PacketExporter } from './exporter.ts';
import { PacketReader } from './reader.ts';

/** How long a packet waits to be read, unless many come. */
const READ_PERIOD_MS = 200;
/** Maximum age of the kernel's counts in the metrics. */
const ACCOUNTING_PERIOD_MS = 1000;

export interface PacketAgentDeps extends CommonAgentDeps {
  readonly exporter: Pick<PacketExporter, 'emit' | 'end'>;
}

/** Watches interfaces with eBPF and hands on the packets that the filter rules accept. */
export function createPacketAgent(config: AgentConfig, deps: PacketAgentDeps): Agent {
  return new PacketAgent(config, deps);
}

interface Running extends Watch {
  readonly reader: PacketReader;
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
  #lastAccounting: AccountingView | undefined;

  constructor(config: AgentConfig, deps: PacketAgentDeps) {
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
    const { log, clock } = this.#deps;
    for (const warning of checkCaptureConfig(this.#config)) log.warn(warning);
    signal.throwIfAborted();
    const running = await openWatch(this.#config, this.#deps, (loaded): Running => {
      const watch = createWatch(
        this.#config,
        this.#deps,
        this.#metrics,
        loaded,
        this.#failure.reject,
      );
      return { ...watch, reader: new PacketReader(watch.shared) };
    });
    this.#running = running;
    this.#metrics.samplingRate.set(this.#config.sampling);
    running.hub.addRing(running.object, WAKE_MAP, () => this.#read());
    this.#periodic = [
      clock.every(READ_PERIOD_MS, () => this.#read()),
      clock.every(ACCOUNTING_PERIOD_MS, () => running.accounting.refresh()),
    ];
    await running.tracker.start(signal);
    if (signal.aborted) return;
    log.info({ interfaces: running.tracker.rows().length }, 'capture started');
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    await runAll([
      // Packets are read until no hook remains.
      () => running.tracker.stop(),
      () => {
        for (const timer of this.#periodic) timer[Symbol.dispose]();
      },
      () => {
        this.#running = undefined;
        while (this.#readOnce(running)) {
          // Reads until the ring is empty.
        }
      },
      () => this.#end(running),
      ...closingSteps(running, (accounting) => {
        this.#lastAccounting = accounting;
      }),
    ]);
  }

  status(): AgentStatus {
    return statusOf(this.#running, this.#lastAccounting, { features: [], vitals: undefined });
  }

  readiness(): AgentReadiness {
    const running = this.#running;
    if (running === undefined) return NOT_RUNNING;
    return { hooks: running.tracker.readiness(), drain: acceptance(this.#isRefused) };
  }

  /** Packets are delivered as soon as they are read, or the agent ends. */
  liveness(): HealthState {
    return FINE;
  }

  capabilities(): readonly Capability[] {
    return neededToRun(this.#config);
  }

  async drainNow(): Promise<void> {
    const running = this.#running;
    while (running !== undefined && this.#readOnce(running)) {
      // This reads everything that came before the call.
    }
  }

  #end({ accounting }: Running): void {
    accounting.refresh();
    const { unrecorded } = accounting.view();
    const lost = [unrecorded.capture_full, unrecorded.pipeline_full];
    this.#deps.exporter.end(lost.reduce((sum, amount) => sum + (amount?.packets ?? 0), 0));
  }

  /** A capture that is always behind still yields to timers and interfaces. */
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

  #readOnce({ reader, fates }: Running): boolean {
    return reader.read((batch, { packets, bytes }) => {
      this.#metrics.evictedPackets.inc({ source: 'ringbuffer', reason: '' }, batch.count);
      this.#isRefused = !this.#deps.exporter.emit(batch);
      if (!this.#isRefused) fates.addRecorded(packets, bytes);
      else fates.addDropped(batch.count, packets, bytes);
    });
  }
}
