import type { DatagramOutcome } from '../../codec/exporters/datagram.ts';
import type { Inlet } from '../graph/inlet.ts';
import type { StageContext } from '../stage.ts';
import { type DatagramHooks, type DatagramReader, DatagramRows } from './datagram-rows.ts';
import { DatagramTopicReader } from './datagram-topic.ts';
import type { ExporterMetrics } from './exporters.ts';
import type { KafkaInput } from './kafka-input.ts';
import { UdpPorts, type UdpPortsOptions } from './udp-ports.ts';

/** How long the flows of few datagrams wait for others, milliseconds. */
export const COALESCE_MS = 20;
/** Between two passes of the counters, milliseconds. */
const COUNT_PERIOD_MS = 5000;

/** Datagrams to an inlet, from UDP ports or from a topic. */
export class Datagrams<Outcome extends DatagramOutcome, Reader extends DatagramReader<Outcome>> {
  readonly #inlet: Inlet;
  readonly #context: StageContext;
  readonly #metrics: ExporterMetrics;
  readonly #hooks: DatagramHooks<Outcome, Reader>;
  #ending: (() => Promise<void>) | undefined;

  constructor(
    inlet: Inlet,
    context: StageContext,
    metrics: ExporterMetrics,
    hooks: DatagramHooks<Outcome, Reader>,
  ) {
    this.#inlet = inlet;
    this.#context = context;
    this.#metrics = metrics;
    this.#hooks = hooks;
  }

  /** Opens the ports; rejects with `ERR_NET_LISTEN`, and then no port is open. */
  async receive(options: UdpPortsOptions): Promise<void> {
    const { clock } = this.#context.deps;
    const inlet = this.#inlet;
    let willFlush = false;
    // All datagrams of one turn of the event loop share a batch.
    const rows = new DatagramRows(inlet, this.#context, this.#metrics, this.#hooks, {
      emit: (batch) => inlet.emit(batch),
      opened: () => {
        if (willFlush) return;
        willFlush = true;
        setImmediate(() => {
          willFlush = false;
          rows.flush();
        });
      },
    });
    // A datagram cannot wait. It is read in any case: templates and counts come rarely.
    const ports = new UdpPorts(this.#context, this.#metrics.lost, (bytes, peer) =>
      rows.add(bytes, peer, clock.nowMs(), inlet.whenReady() === undefined),
    );
    await ports.open(options);
    const count = (): void => {
      rows.count();
      ports.countDrops();
    };
    this.#begin(count, async () => {
      count();
      ports.close();
      rows.flush();
    });
  }

  /** Reads the topic. Does not wait for the brokers. */
  async read(input: KafkaInput): Promise<void> {
    const reader = new DatagramTopicReader(input, this.#inlet, this.#context, {
      metrics: this.#metrics,
      hooks: this.#hooks,
    });
    await reader.start();
    const count = (): void => reader.rows.count();
    this.#begin(count, async () => {
      await reader.stop();
      count();
    });
  }

  /** Everything that was read has been emitted, or stays unacknowledged. */
  async stop(): Promise<void> {
    await this.#ending?.();
    this.#ending = undefined;
  }

  #begin(count: () => void, end: () => Promise<void>): void {
    const timer = this.#context.deps.clock.every(COUNT_PERIOD_MS, count);
    this.#ending = () => {
      timer[Symbol.dispose]();
      return end();
    };
  }
}
