import { assertExists } from '../../../base/assert.ts';
import { systemRandom } from '../../../base/clock.ts';
import { MetricWriter, type PointHead } from '../../../codec/otlp/metrics.ts';
import { RequestWriter } from '../../../codec/otlp/request.ts';
import { DELIVERY_DEFAULTS, Delivery } from '../../../deliver/delivery.ts';
import { type Message, NO_FLOWS } from '../../../deliver/message.ts';
import { createDeliveryMetrics } from '../../../deliver/metrics.ts';
import { SPOOL_BYTES_MAX } from '../../../deliver/spool.ts';
import { GRPC_MESSAGE_BYTES_MAX } from '../../../deliver/targets/grpc.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { OtlpMetricsOptions } from '../../options/encode/otlpmetrics.ts';
import {
  type Lease,
  type Sink,
  type StageContext,
  type StageDeps,
  type StageType,
  stageType,
} from '../../stage.ts';
import { OTLP_NAMES } from '../prom/compile.ts';
import { FlowMetrics } from '../prom/flow-metrics.ts';
import type { SeriesMetric } from '../prom/metric.ts';
import { type OtlpSignal, otlpTarget, RESOURCE } from './target.ts';

const METRICS: OtlpSignal = {
  grpcMethod: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  httpPath: '/v1/metrics',
  scope: 'flp_meter',
};

/** Transmissions that may wait. A later one contains all that an earlier one does. */
const TRANSMISSIONS_MAX = 2;

/** Metrics of flows, sent by the OpenTelemetry protocol. */
export const otlpMetricsEncode: StageType = stageType({
  section: 'encode',
  type: 'otlpmetrics',
  schema: OtlpMetricsOptions,
  create: (options, context) => new OtlpMetricsSink(options, context),
});

class OtlpMetricsSink implements Sink {
  readonly kind = 'sink';
  readonly name: string;
  readonly reads: readonly string[];
  readonly #options: OtlpMetricsOptions;
  readonly #deps: StageDeps;
  readonly #flows: FlowMetrics;
  readonly #delivery: Delivery;
  readonly #requests = new RequestWriter({ resource: RESOURCE, scope: METRICS.scope });
  readonly #skipped: () => void;
  #earlier: OtlpMetricsSink | undefined;
  #timer: Disposable | undefined;
  #isFinished = false;

  constructor(options: OtlpMetricsOptions, context: StageContext) {
    const { clock, log, metrics, random = systemRandom } = context.deps;
    this.name = context.name;
    this.#options = options;
    this.#deps = context.deps;
    const earlier = context.earlier instanceof OtlpMetricsSink ? context.earlier : undefined;
    this.#earlier = earlier;
    this.#flows = new FlowMetrics({ ...options, maxMetrics: 0, names: OTLP_NAMES }, context, {
      earlier: earlier === undefined ? undefined : earlier.#flows,
    });
    this.reads = this.#flows.reads;
    this.#delivery = new Delivery(
      {
        ...DELIVERY_DEFAULTS,
        deadlineMs: options.pushTimeInterval,
        ...{ batchesMax: TRANSMISSIONS_MAX, bytesMax: SPOOL_BYTES_MAX },
      },
      {
        target: otlpTarget(METRICS, options, context),
        clock,
        log: log.child({ component: 'pipeline', branch: context.name }),
        metrics: createDeliveryMetrics(metrics, context.name),
        random,
      },
    );
    const skipped = metrics.counter(
      'otlp_metrics_skipped_transmissions_total',
      'Transmissions that were left out because earlier ones had not arrived',
      ['stage'],
    );
    skipped.inc({ stage: context.name }, 0);
    this.#skipped = () => skipped.inc({ stage: context.name });
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#delivery.start(signal);
    if (this.#earlier !== undefined) return;
    this.#flows.start();
    this.#pushRegularly();
  }

  takeOver(): void {
    const earlier = assertExists(this.#earlier, 'only a sink that replaces another takes over');
    this.#earlier = undefined;
    earlier.#finish();
    this.#flows.takeOver(earlier.#flows);
    this.#pushRegularly();
  }

  offer(batch: FlowBatch, lease: Lease): boolean {
    this.#flows.count(batch);
    lease.arrived(batch.selected);
    return true;
  }

  async stop(): Promise<void> {
    this.#finish();
    await this.#delivery.stop();
  }

  #pushRegularly(): void {
    const { pushTimeInterval } = this.#options;
    this.#timer = this.#deps.clock.every(pushTimeInterval, () => this.#push());
  }

  /** Sends the last values, once. */
  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#timer?.[Symbol.dispose]();
    this.#flows.stop();
    this.#push();
  }

  #push(): void {
    const messages = this.#messages();
    if (messages.length > 0 && !this.#delivery.offer(messages)) this.#skipped();
  }

  #messages(): readonly Message[] {
    const messages: Message[] = [];
    const writer = new MetricWriter(GRPC_MESSAGE_BYTES_MAX, ({ bytes }) => {
      // No flow is lost if it does not arrive: the next transmission has the same and more.
      messages.push({ bytes: this.#requests.write(bytes, 0, bytes.length), amount: NO_FLOWS });
    });
    const timeMs = this.#deps.clock.nowMs();
    for (const metric of this.#flows.metrics) {
      write(metric, this.#flows.slots(metric), writer, timeMs);
    }
    writer.end();
    return messages;
  }
}

function write(
  metric: SeriesMetric,
  slots: Iterable<number>,
  writer: MetricWriter,
  timeMs: number,
): void {
  const { name, help, type } = metric.spec;
  writer.open({ name, description: help, type });
  for (const slot of slots) {
    const head: PointHead = {
      attributes: attributesOf(metric, slot),
      startMs: metric.seen.beganMs[slot]!,
      timeMs,
    };
    metric.read(slot, {
      number: (value) => writer.number(head, value),
      histogram: (bounds, counts, sum) => writer.histogram(head, bounds, counts, sum),
    });
  }
}

function attributesOf({ group }: SeriesMetric, slot: number): Readonly<Record<string, string>> {
  const entries = group.labels.map(({ name }, label) => [name, group.valueOf(slot, label)]);
  return Object.fromEntries(entries) as Readonly<Record<string, string>>;
}
