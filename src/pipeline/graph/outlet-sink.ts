import { systemRandom } from '../../base/clock.ts';
import { Delivery, type DeliveryLimits, type Target } from '../../deliver/delivery.ts';
import type { Message } from '../../deliver/message.ts';
import { createDeliveryMetrics } from '../../deliver/metrics.ts';
import { type Encoder, Outlet } from '../../deliver/outlet.ts';
import { SPOOL_BYTES_MAX, type SpoolLimits } from '../../deliver/spool.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { Lease, Sink, StageContext } from '../stage.ts';

/** Batches that may wait in the spool of a stage; usually the limit of bytes is reached first. */
const SPOOL_BATCHES_MAX = 512;

export interface OutletSinkOptions<M extends Message> {
  readonly encoder: Encoder<FlowBatch, M>;
  readonly target: Target<M>;
  /** The target's limits of time. */
  readonly limits: Omit<DeliveryLimits, keyof SpoolLimits>;
  readonly reads: Sink['reads'];
}

/** A stage that sends flows away: an encoder, a bounded spool, and a target. */
export class OutletSink<M extends Message> implements Sink {
  readonly kind = 'sink';
  readonly name: string;
  readonly reads: Sink['reads'];
  readonly bounds: string;
  readonly #outlet: Outlet<FlowBatch, M>;

  constructor(
    { name, deps }: Pick<StageContext, 'name' | 'deps'>,
    { encoder, target, limits, reads }: OutletSinkOptions<M>,
  ) {
    this.name = name;
    this.reads = reads;
    const spool = { batchesMax: SPOOL_BATCHES_MAX, bytesMax: SPOOL_BYTES_MAX };
    this.bounds = `spool ${spool.batchesMax} batches / ${spool.bytesMax / 2 ** 20} MiB`;
    const { clock, log, metrics, random = systemRandom } = deps;
    const delivery = new Delivery<M>(
      { ...limits, ...spool },
      {
        target,
        clock,
        log: log.child({ component: 'pipeline', branch: name }),
        metrics: createDeliveryMetrics(metrics, name),
        random,
      },
    );
    this.#outlet = new Outlet(encoder, delivery, ({ selected }) => selected);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#outlet.start(signal);
  }

  offer(batch: FlowBatch, lease: Lease): boolean {
    return this.#outlet.offer(batch, lease);
  }

  whenRoom(): Promise<void> | undefined {
    return this.#outlet.whenRoom();
  }

  drain(): Promise<void> {
    return this.#outlet.drain();
  }

  stop(): Promise<void> {
    return this.#outlet.stop();
  }
}
