import { assertExists } from '../../base/assert.ts';
import { systemRandom } from '../../base/clock.ts';
import { parseAddress } from '../../base/ip.ts';
import { ByteBuffer } from '../../codec/byte-buffer.ts';
import { emptyOutcome } from '../../codec/exporters/datagram.ts';
import { writeEnvelope } from '../../codec/exporters/envelope.ts';
import { Delivery } from '../../deliver/delivery.ts';
import {
  type KafkaMessage,
  type RequestLimits,
  requestsByKey,
} from '../../deliver/encoders/kafka.ts';
import { SPOOL_BYTES_MAX } from '../../deliver/spool.ts';
import { KAFKA_LIMITS, type KafkaTarget } from '../../deliver/targets/kafka.ts';
import type { UdpPeer } from '../../net/udp/receiver.ts';
import { kafkaTarget, requestLimits } from '../kafka.ts';
import { DatagramsOptions } from '../options/ingest/datagrams.ts';
import { type Source, type StageContext, type StageType, stageType } from '../stage.ts';
import { carriedMetrics } from './carried.ts';
import { createExporterMetrics, type ExporterMetrics, Exporters } from './exporters.ts';
import { UdpPorts } from './udp-ports.ts';

/** How long datagrams wait for others, milliseconds. */
const COLLECT_MS = 20;
/** Datagrams that are passed on together, at most; fewer if they have so many bytes. */
const COLLECT_DATAGRAMS = 1000;
const COLLECT_BYTES = 512 * 1024;
/** Collections that may wait for one partition. */
const SPOOL_BATCHES_MAX = 512;
const COUNT_PERIOD_MS = 5000;
const KEY_BYTES = 16;
/** A datagram without flows. */
const UNREAD = emptyOutcome('datagrams');

/** Datagrams from UDP to a topic, undecoded. */
export const datagramsIngest: StageType = stageType({
  section: 'ingest',
  type: 'datagrams',
  schema: DatagramsOptions,
  isAlone: true,
  create: (options, context) => new DatagramInlet(options, context),
});

class DatagramInlet implements Source {
  readonly kind = 'source';
  readonly name: string;
  readonly columns = [];
  readonly #options: DatagramsOptions;
  readonly #context: StageContext;
  readonly #metrics: ExporterMetrics;
  readonly #exporters: Exporters;
  readonly #target: KafkaTarget;
  readonly #delivery: Delivery<KafkaMessage>;
  readonly #limits: RequestLimits;
  readonly #ports: UdpPorts;
  readonly #keys = new Uint8Array(COLLECT_DATAGRAMS * KEY_BYTES);
  readonly #values = new ByteBuffer();
  readonly #offsets = new Uint32Array(COLLECT_DATAGRAMS + 1);
  #collected = 0;
  #willFlush = false;
  #timer: Disposable | undefined;

  constructor(options: DatagramsOptions, context: StageContext) {
    const { clock, log, metrics, random = systemRandom } = context.deps;
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    this.#metrics = createExporterMetrics(metrics);
    this.#exporters = new Exporters(context.name, this.#metrics);
    this.#target = kafkaTarget(options.kafka, `${context.path}.kafka`, context);
    this.#limits = requestLimits(options.kafka);
    this.#delivery = new Delivery(
      { ...KAFKA_LIMITS, batchesMax: SPOOL_BATCHES_MAX, bytesMax: SPOOL_BYTES_MAX },
      {
        target: this.#target,
        clock,
        log: log.child({ component: 'pipeline', stage: context.name }),
        metrics: carriedMetrics(metrics, this.#metrics.lost, context),
        random,
      },
    );
    this.#ports = new UdpPorts(context, this.#metrics.lost, (bytes, peer, port) =>
      this.#take(bytes, peer, port),
    );
  }

  async start(): Promise<void> {
    await this.#delivery.start();
    await this.#ports.open({ ...this.#options, ports: [...new Set(this.#options.ports)] });
    this.#timer = this.#context.deps.clock.every(COUNT_PERIOD_MS, () => this.#count());
  }

  trouble(): string | undefined {
    const state = this.#delivery.readiness();
    return state.ok ? undefined : state.reason;
  }

  async stop(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#count();
    this.#ports.close();
    this.#flush();
    await this.#delivery.stop();
  }

  #take(bytes: Uint8Array, peer: UdpPeer, listenPort: number): void {
    this.#exporters.count(peer.address, UNREAD);
    if (this.#delivery.isFull()) {
      this.#lose(1);
      return;
    }
    const address = assertExists(parseAddress(peer.address), 'an address of the kernel is one');
    const receivedMs = this.#context.deps.clock.nowMs();
    const values = this.#values;
    this.#keys.set(address, this.#collected * KEY_BYTES);
    writeEnvelope(values, bytes, { address, port: peer.port, receivedMs, listenPort });
    this.#offsets[++this.#collected] = values.length;
    const isMuch = this.#collected === COLLECT_DATAGRAMS || values.length >= COLLECT_BYTES;
    if (isMuch) this.#flush();
    else this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#willFlush) return;
    this.#willFlush = true;
    void this.#context.deps.clock.sleep(COLLECT_MS).then(() => {
      this.#willFlush = false;
      this.#flush();
    });
  }

  #flush(): void {
    const count = this.#collected;
    if (count === 0) return;
    const records = {
      keys: this.#keys.subarray(0, count * KEY_BYTES),
      keyBytes: KEY_BYTES,
      values: this.#values.bytes,
      offsets: this.#offsets.subarray(0, count + 1),
    };
    const messages = requestsByKey(records, this.#target.partitions, this.#limits);
    if (!this.#delivery.offer(messages)) this.#lose(count);
    this.#collected = 0;
    this.#values.clear();
  }

  #lose(datagrams: number): void {
    this.#metrics.lost.inc({ stage: this.name, reason: 'full' }, datagrams);
  }

  #count(): void {
    this.#exporters.flush();
    this.#ports.countDrops();
  }
}
