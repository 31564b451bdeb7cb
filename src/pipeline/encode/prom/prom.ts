import type { Component } from '../../../base/component.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { Health } from '../../../telemetry/health.ts';
import { createMetrics, type TextSource } from '../../../telemetry/metrics.ts';
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
    this.#flows = new FlowMetrics({ ...options, nativeHistograms }, context, (metric, slot) =>
      this.#remote?.end(metric, slot),
    );
    if (remoteWrite !== undefined) {
      this.#remote = new RemoteWriter(remoteWrite, options, this.#flows, context);
    }
    this.reads = this.#flows.reads;
    this.names = this.#flows.metrics.map((metric) => metric.spec.name);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { log, metrics } = this.#deps;
    const { port } = this.#options;
    this.#flows.start();
    await this.#remote?.start(signal);
    if (port === 0) {
      this.#exposed = metrics.expose(this);
      return;
    }
    const own = createMetrics('');
    this.#exposed = own.expose(this);
    this.#server = createTelemetryServer(serverConfig(this.#options), {
      ...{ log, metrics: own, counts: metrics, health: new Health() },
    });
    await this.#server.start(signal);
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
}
