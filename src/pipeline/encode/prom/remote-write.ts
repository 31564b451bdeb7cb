import { systemRandom } from '../../../base/clock.ts';
import type { Component } from '../../../base/component.ts';
import { SeriesWriter, type WriteRequest } from '../../../codec/prometheus/write-request.ts';
import { DELIVERY_DEFAULTS, Delivery } from '../../../deliver/delivery.ts';
import type { Message } from '../../../deliver/message.ts';
import { SPOOL_BYTES_MAX } from '../../../deliver/spool.ts';
import type { PromOptions } from '../../options/encode/prom.ts';
import type { RemoteWrite } from '../../options/remote-write.ts';
import type { StageContext, StageDeps } from '../../stage.ts';
import type { FlowMetrics } from './flow-metrics.ts';
import { LabelFields } from './label-fields.ts';
import type { SeriesMetric } from './metric.ts';
import { MetricSamples } from './metric-samples.ts';
import { createRemoteWriteMetrics } from './metrics.ts';
import { checkRemoteWrite, remoteWriteTarget } from './remote-target.ts';

/** Transmissions that may wait: an hour of them, after which Prometheus takes them no longer. */
const TRANSMISSIONS_MAX = 240;
/** Bytes of a request before compression. Receivers take some megabytes. */
const REQUEST_BYTES_MAX = 2 ** 20;

/** Sends the series of a stage to a receiver of remote write, in the order of their times. */
export class RemoteWriter implements Component {
  readonly #deps: StageDeps;
  readonly #options: RemoteWrite;
  readonly #flows: FlowMetrics;
  readonly #fields: LabelFields;
  readonly #samples: ReadonlyMap<SeriesMetric, MetricSamples>;
  readonly #delivery: Delivery;
  readonly #made: (samples: number) => void;
  readonly #refused: (samples: number) => void;
  /** Requests of the next transmission. */
  #requests: WriteRequest[] = [];
  readonly #writer = new SeriesWriter(REQUEST_BYTES_MAX, (request) => {
    this.#requests.push(request);
  });
  #compress: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes;
  #timer: Disposable | undefined;
  #isFinished = false;
  /** Time of the last transmission, milliseconds since 1970. */
  #lastMs = 0;

  constructor(
    remoteWrite: RemoteWrite,
    options: PromOptions,
    flows: FlowMetrics,
    at: StageContext,
  ) {
    const { clock, log, metrics, random = systemRandom } = at.deps;
    checkRemoteWrite(remoteWrite, options, flows, at);
    this.#deps = at.deps;
    this.#options = remoteWrite;
    this.#flows = flows;
    const fields = new LabelFields(flows.values);
    this.#fields = fields;
    this.#samples = new Map(
      flows.metrics.map((metric) => [
        metric,
        new MetricSamples(metric, remoteWrite.externalLabels, fields),
      ]),
    );
    const own = createRemoteWriteMetrics(metrics, at.name);
    this.#made = own.made;
    this.#refused = own.refused;
    this.#delivery = new Delivery(
      { ...DELIVERY_DEFAULTS, batchesMax: TRANSMISSIONS_MAX, bytesMax: SPOOL_BYTES_MAX },
      {
        target: remoteWriteTarget(remoteWrite, at),
        ...{ clock, random, metrics: own.delivery },
        log: log.child({ component: 'pipeline', branch: at.name }),
      },
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    // Only stages that compress pay for the codecs.
    const { snappyCompress } = await import('@platformatic/wasm-utils/bundled');
    this.#compress = (bytes) =>
      snappyCompress(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    await this.#delivery.start(signal);
    const { clock } = this.#deps;
    this.#lastMs = clock.nowMs();
    this.#timer = clock.every(this.#options.interval, () => this.#transmit());
  }

  /** Marks a series that is hidden as over. */
  end(metric: SeriesMetric, slot: number): void {
    this.#fields.begin();
    // Directly after its last sample, and before any later one.
    this.#samples.get(metric)?.over(slot, this.#lastMs + 1, this.#writer);
  }

  /** Sends the last values. Samples that another writer makes from now on are later ones. */
  finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#timer?.[Symbol.dispose]();
    this.#transmit();
  }

  /** Sends the marks of series that have ended since `finish`, too. */
  async stop(): Promise<void> {
    this.finish();
    this.#send();
    await this.#delivery.stop();
  }

  #transmit(): void {
    const zeroMs = this.#lastMs;
    // Receivers refuse a time that is not after the last one: clocks may be set back.
    const nowMs = Math.max(this.#deps.clock.nowMs(), this.#lastMs + 2);
    this.#lastMs = nowMs;
    this.#fields.begin();
    for (const [metric, samples] of this.#samples) {
      for (const slot of this.#flows.slots(metric)) {
        samples.values(slot, nowMs, zeroMs, this.#writer);
      }
    }
    this.#send();
  }

  /** Hands over all that is written. */
  #send(): void {
    this.#writer.end();
    const messages = this.#requests.map((request) => this.#message(request));
    this.#requests = [];
    if (messages.length === 0) return;
    const samples = messages.reduce((sum, { amount }) => sum + amount.flows, 0);
    this.#made(samples);
    if (!this.#delivery.offer(messages)) this.#refused(samples);
  }

  /** The amount of a message counts samples here: a flow is in many, and lost with none of them. */
  #message({ bytes, samples }: WriteRequest): Message {
    return { bytes: this.#compress(bytes), amount: { flows: samples, packets: 0, bytes: 0 } };
  }
}
