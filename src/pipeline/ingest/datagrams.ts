import type { DatagramOutcome, DatagramSource } from '../../codec/exporters/datagram.ts';
import type { BatchLayout, FlowBatch } from '../../flow/batch.ts';
import type { UdpPeer, UdpReceiver } from '../../net/udp/receiver.ts';
import type { Inlet } from '../graph/inlet.ts';
import type { StageContext } from '../stage.ts';
import { type ExporterMetrics, Exporters } from './exporters.ts';

/** How long the flows of few datagrams wait for others, milliseconds. */
export const COALESCE_MS = 20;
/** Between two looks at the kernel's counters, milliseconds. */
const COUNT_PERIOD_MS = 5000;

/** Reads datagrams into batches. */
export interface DatagramReader<Outcome extends DatagramOutcome> {
  read(
    bytes: Uint8Array,
    source: DatagramSource,
    receivedMs: number,
    nowMs: number,
    room: () => FlowBatch | undefined,
  ): Outcome;
  takeMisfits(report: (field: string, values: number) => void): void;
}

export interface DatagramsOptions {
  readonly hostName: string;
  readonly ports: readonly number[];
  readonly sockets: number;
  readonly receiveBufferBytes: number;
}

/** The part of a stage that depends on its protocol. */
export interface DatagramsHooks<
  Outcome extends DatagramOutcome,
  Reader extends DatagramReader<Outcome>,
> {
  /** Makes the reader for the inlet's columns, also when a reload has changed them. */
  readonly reader: (layout: BatchLayout, earlier: Reader | undefined) => Reader;
  /** Rows that a batch has room for when it is given to the reader. */
  readonly roomRows: number;
  /** Called after each datagram. */
  readonly note?: (outcome: Outcome) => void;
  /** Called every few seconds, and at the end, for counters that are not kept per datagram. */
  readonly count?: (reader: Reader) => void;
}

/**
 * Datagrams from UDP ports to an inlet, with the counters of their exporters. All datagrams of one
 * turn of the event loop share a batch.
 */
export class Datagrams<
  Outcome extends DatagramOutcome,
  Reader extends DatagramReader<Outcome> = DatagramReader<Outcome>,
> {
  readonly #context: StageContext;
  readonly #metrics: ExporterMetrics;
  readonly #hooks: DatagramsHooks<Outcome, Reader>;
  readonly #inlet: Inlet;
  readonly #exporters: Exporters;
  #receivers: readonly UdpReceiver[] = [];
  #layout: BatchLayout;
  #reader: Reader;
  #batch: FlowBatch | undefined;
  #willFlush = false;
  #timer: Disposable | undefined;
  #kernelDrops = 0;
  #hasWarned = false;

  constructor(
    inlet: Inlet,
    context: StageContext,
    metrics: ExporterMetrics,
    hooks: DatagramsHooks<Outcome, Reader>,
  ) {
    this.#inlet = inlet;
    this.#context = context;
    this.#metrics = metrics;
    this.#hooks = hooks;
    this.#layout = inlet.layout;
    this.#reader = hooks.reader(inlet.layout, undefined);
    this.#exporters = new Exporters(context.name, metrics);
  }

  /** Opens the ports; rejects with `ERR_NET_LISTEN`, and then no port is open. */
  async start({ hostName, ports, sockets, receiveBufferBytes }: DatagramsOptions): Promise<void> {
    const { clock, log } = this.#context.deps;
    // Here and not at the top: pipelines of agents do without it.
    const { UdpReceiver: Made } = await import('../../net/udp/receiver.ts');
    const deps = {
      log: log.child({ component: 'pipeline', stage: this.#context.name }),
      take: (bytes: Uint8Array, peer: UdpPeer) => this.#take(bytes, peer),
    };
    const host = hostName === '' ? '0.0.0.0' : hostName;
    this.#receivers = ports.map(
      (port) => new Made({ host, port, sockets, bufferBytes: receiveBufferBytes }, deps),
    );
    try {
      for (const receiver of this.#receivers) await receiver.start();
    } catch (error) {
      for (const receiver of this.#receivers) receiver.stop();
      throw error;
    }
    this.#timer = clock.every(COUNT_PERIOD_MS, () => this.#count());
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#receivers.length > 0) this.#count();
    for (const receiver of this.#receivers) receiver.stop();
    this.#receivers = [];
    this.#emit();
  }

  #take(bytes: Uint8Array, peer: UdpPeer): void {
    const stage = this.#context.name;
    const { clock } = this.#context.deps;
    // A datagram cannot wait. It is read in any case: templates and counts come rarely.
    const isFull = this.#inlet.whenReady() !== undefined;
    if (this.#inlet.layout !== this.#layout) this.#relayout();
    const { note } = this.#hooks;
    const outcome = this.#reader.read(bytes, peer, clock.nowMs(), clock.monotonicMs(), () =>
      isFull ? undefined : this.#room(),
    );
    this.#exporters.count(peer.address, outcome);
    note?.(outcome);
    if (outcome.lost > 0) this.#metrics.lost.inc({ stage, reason: 'full' });
    if (outcome.problem === undefined) return;
    this.#context.counts.ingestError('decode', outcome.problem.code);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#context.deps.log.warn(
      {
        ...{ component: 'pipeline', stage, exporter: peer.address },
        error: outcome.problem.meaning,
      },
      'a datagram is not read to its end, and so are others like it; ingest_errors counts them',
    );
  }

  #relayout(): void {
    this.#emit();
    this.#takeMisfits();
    this.#layout = this.#inlet.layout;
    this.#reader = this.#hooks.reader(this.#layout, this.#reader);
  }

  #takeMisfits(): void {
    const { counts } = this.#context;
    this.#reader.takeMisfits((field, values) => counts.unconverted(field, values));
  }

  #room(): FlowBatch {
    const open = this.#batch;
    if (open !== undefined && open.capacity - open.length >= this.#hooks.roomRows) return open;
    this.#emit();
    const batch = this.#inlet.take();
    this.#batch = batch;
    if (!this.#willFlush) {
      this.#willFlush = true;
      setImmediate(() => {
        this.#willFlush = false;
        this.#emit();
      });
    }
    return batch;
  }

  #emit(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch === undefined) return;
    if (batch.length === 0) {
      this.#inlet.recycle(batch);
      return;
    }
    this.#context.counts.ingested(batch.length);
    this.#inlet.emit(batch);
  }

  #count(): void {
    const stage = this.#context.name;
    this.#exporters.flush();
    this.#takeMisfits();
    this.#hooks.count?.(this.#reader);
    let drops = 0;
    for (const receiver of this.#receivers) drops += receiver.kernelDrops();
    if (drops > this.#kernelDrops) {
      this.#metrics.lost.inc({ stage, reason: 'kernel' }, drops - this.#kernelDrops);
    }
    this.#kernelDrops = drops;
  }
}
