import { isDeepStrictEqual } from 'node:util';
import { assertExists } from '../../../base/assert.ts';
import type { Component } from '../../../base/component.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { Health } from '../../../telemetry/health.ts';
import { createMetrics, type Metrics, type TextSource } from '../../../telemetry/metrics.ts';
import { createTelemetryServer } from '../../../telemetry/server.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { PromOptions } from '../../options/encode/prom.ts';
import { serverConfig } from '../../server-config.ts';
import {
  type Lease,
  type Sink,
  type StageContext,
  type StageDeps,
  type StageType,
  stageType,
} from '../../stage.ts';
import { FlowMetrics } from './flow-metrics.ts';
import { RemoteWriter } from './remote-write.ts';

/** Counters, gauges and histograms of flows, in accumulators keyed by integers. */
export const promEncode: StageType = stageType({
  section: 'encode',
  type: 'prom',
  schema: PromOptions,
  create: (options, context) => new PromSink(options, context),
});

class PromSink implements Sink, TextSource {
  readonly kind = 'sink';
  readonly name: string;
  readonly reads: readonly string[];
  readonly names: readonly string[];
  readonly #options: PromOptions;
  readonly #deps: StageDeps;
  readonly #flows: FlowMetrics;
  readonly #remote: RemoteWriter | undefined;
  #earlier: PromSink | undefined;
  /** What the own server shows. */
  #own: Metrics | undefined;
  #exposed: Disposable | undefined;
  #server: Component | undefined;

  constructor(options: PromOptions, context: StageContext) {
    this.name = context.name;
    this.#options = options;
    this.#deps = context.deps;
    const { remoteWrite, port, tokenPath } = options;
    if (port === 0 && tokenPath !== '') {
      const problem = 'is for the stage’s own server: give it a port, or use metricsSettings';
      throw configError(PIPELINE_ERRORS.option, `${context.path}.tokenPath`, problem);
    }
    const nativeHistograms = remoteWrite?.nativeHistograms === true;
    const earlier = context.earlier instanceof PromSink ? context.earlier : undefined;
    this.#earlier = earlier;
    this.#flows = new FlowMetrics({ ...options, nativeHistograms }, context, {
      earlier: earlier === undefined ? undefined : earlier.#flows,
      onHidden: (metric, slot) => this.#remote?.end(metric, slot),
    });
    if (remoteWrite !== undefined) {
      this.#remote = new RemoteWriter(remoteWrite, options, this.#flows, context);
    }
    this.reads = this.#flows.reads;
    this.names = this.#flows.metrics.map((metric) => metric.spec.name);
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#remote?.start(signal);
    if (this.#options.port !== 0 && !this.#keepsServer()) await this.#serve(signal);
    // A sink that replaces another shows nothing before that ends: names would be there twice.
    if (this.#earlier !== undefined) return;
    this.#flows.start();
    this.#expose();
  }

  takeOver(): void {
    const earlier = assertExists(this.#earlier, 'only a sink that replaces another takes over');
    this.#earlier = undefined;
    earlier.#exposed?.[Symbol.dispose]();
    earlier.#exposed = undefined;
    earlier.#remote?.finish();
    this.#flows.takeOver(earlier.#flows);
    if (this.#options.port !== 0 && this.#server === undefined) {
      this.#server = earlier.#server;
      this.#own = earlier.#own;
      earlier.#server = undefined;
    }
    this.#expose();
  }

  async stop(): Promise<void> {
    this.#flows.stop();
    await this.#remote?.stop();
    await this.#server?.stop();
    this.#exposed?.[Symbol.dispose]();
  }

  offer(batch: FlowBatch, lease: Lease): boolean {
    this.#flows.count(batch);
    lease.arrived(batch.selected);
    return true;
  }

  text(): string {
    return this.#flows.text();
  }

  /** Whether the server of the sink that this one replaces is the one that it needs. */
  #keepsServer(): boolean {
    if (this.#earlier === undefined) return false;
    const before = serverConfig(this.#earlier.#options);
    return isDeepStrictEqual(before, serverConfig(this.#options));
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const { log, metrics } = this.#deps;
    this.#own = createMetrics('');
    this.#server = createTelemetryServer(serverConfig(this.#options), {
      ...{ log, metrics: this.#own, counts: metrics, health: new Health() },
    });
    await this.#server.start(signal);
  }

  #expose(): void {
    this.#exposed = (this.#own ?? this.#deps.metrics).expose(this);
  }
}
