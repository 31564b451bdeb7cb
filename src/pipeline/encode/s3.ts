import { systemRandom } from '../../base/clock.ts';
import { ByteBuffer } from '../../codec/byte-buffer.ts';
import { JsonRecords } from '../../codec/json/records.ts';
import { DELIVERY_DEFAULTS, Delivery } from '../../deliver/delivery.ts';
import { type FlowAmount, NO_FLOWS, type Settlement } from '../../deliver/message.ts';
import { createDeliveryMetrics } from '../../deliver/metrics.ts';
import { amountOf } from '../../deliver/runs.ts';
import { SPOOL_BYTES_MAX } from '../../deliver/spool.ts';
import { type S3Message, S3Target } from '../../deliver/targets/s3.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { clientTlsFiles } from '../client-tls.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { S3Options } from '../options/encode/s3.ts';
import {
  type Lease,
  type Sink,
  type StageContext,
  type StageDeps,
  type StageType,
  stageType,
} from '../stage.ts';

/** An object is also complete when it has this many bytes. */
const OBJECT_BYTES_MAX = 32 * 2 ** 20;
/** Objects that may wait; usually the limit of bytes is reached first. */
const OBJECTS_MAX = 512;
const IN_FLIGHT_MAX = 4;
/** Digits of an object's number in its name. */
const NUMBER_DIGITS = 8;
/** Version of the JSON document, as in flowlogs-pipeline. */
const DOCUMENT_VERSION = 'v0.1';

const COMMA = 0x2c;
const LINE_FEED = 0x0a;

/** Flows to objects of an S3 server. */
export const s3Encode: StageType = stageType({
  section: 'encode',
  type: 's3',
  schema: S3Options,
  create: (options, context) => new S3Sink(options, context),
});

/** Rows of one batch that are in the object. */
interface Share {
  readonly lease: Settlement;
  rows: number;
}

class S3Sink implements Sink {
  readonly kind = 'sink';
  readonly name: string;
  readonly reads = 'all';
  readonly #options: S3Options;
  readonly #deps: StageDeps;
  readonly #records: JsonRecords;
  readonly #delivery: Delivery<S3Message>;
  readonly #names: ObjectNames;
  // The object that is being filled.
  readonly #rows = new ByteBuffer();
  #amount: FlowAmount = NO_FLOWS;
  #shares: Share[] = [];
  #openedMs = 0;
  #timer: Disposable | undefined;

  constructor(options: S3Options, context: StageContext) {
    const { clock, log, metrics, random = systemRandom } = context.deps;
    this.name = context.name;
    this.#options = options;
    this.#deps = context.deps;
    this.#records = new JsonRecords({ names: context.named });
    this.#names = new ObjectNames(options, clock.nowMs());
    this.#delivery = new Delivery(
      { ...DELIVERY_DEFAULTS, batchesMax: OBJECTS_MAX, bytesMax: SPOOL_BYTES_MAX },
      {
        target: targetOf(options, context),
        clock,
        log: log.child({ component: 'pipeline', branch: context.name }),
        metrics: createDeliveryMetrics(metrics, context.name),
        random,
      },
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#delivery.start(signal);
    this.#timer = this.#deps.clock.every(this.#options.writeTimeout, () => this.#close());
  }

  offer(batch: FlowBatch, lease: Lease): boolean {
    if (this.#delivery.isFull()) return false;
    const count = this.#records.encode(batch);
    for (let from = 0; from < count; ) {
      const room = this.#options.batchSize - this.#amount.flows;
      const to = Math.min(count, from + room);
      this.#add(batch, { from, to }, lease);
      from = to;
      const { flows } = this.#amount;
      if (flows === this.#options.batchSize || this.#rows.length >= OBJECT_BYTES_MAX) this.#close();
    }
    return true;
  }

  whenRoom(): Promise<void> | undefined {
    return this.#delivery.whenRoom();
  }

  drain(): Promise<void> {
    this.#close();
    return this.#delivery.drain();
  }

  async stop(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#close();
    await this.#delivery.stop();
  }

  /** Adds the encoded rows to the object. */
  #add(batch: FlowBatch, run: { readonly from: number; readonly to: number }, lease: Lease): void {
    const { bytes, offsets } = this.#records;
    const rows = this.#rows;
    if (this.#amount.flows === 0) this.#openedMs = this.#deps.clock.nowMs();
    const separator = this.#options.format === 'json' ? COMMA : LINE_FEED;
    rows.reserve(offsets[run.to]! - offsets[run.from]! + run.to - run.from);
    for (let i = run.from; i < run.to; i++) {
      rows.copy(bytes, offsets[i]!, offsets[i + 1]!);
      rows.bytes[rows.length++] = separator;
    }
    this.#amount = sum(this.#amount, amountOf(batch, run));
    this.#shares.push({ lease, rows: run.to - run.from });
  }

  /** Sends the object away, if it has flows. */
  #close(): void {
    if (this.#amount.flows === 0) return;
    const nowMs = this.#deps.clock.nowMs();
    const amount = this.#amount;
    const settlement = new Shares(this.#shares);
    const message = { bytes: this.#contents(nowMs), amount, key: this.#names.next(this.#openedMs) };
    this.#rows.clear();
    this.#amount = NO_FLOWS;
    this.#shares = [];
    if (!this.#delivery.offer([message], settlement)) settlement.lost(amount.flows, 'full');
  }

  #contents(nowMs: number): Uint8Array {
    const rows = this.#rows;
    if (this.#options.format !== 'json') return rows.bytes.slice(0, rows.length);
    const head = JSON.stringify({
      ...this.#options.objectHeaderParameters,
      version: DOCUMENT_VERSION,
      capture_start_time: timeText(this.#openedMs),
      capture_end_time: timeText(nowMs),
      number_of_flow_logs: this.#amount.flows,
      flow_logs: [],
    });
    // The rows belong between the last brackets; the last one has a comma behind it.
    const before = new TextEncoder().encode(head.slice(0, -2));
    const bytes = new Uint8Array(before.length + rows.length + 1);
    bytes.set(before);
    bytes.set(rows.bytes.subarray(0, rows.length - 1), before.length);
    bytes.set([0x5d, 0x7d], bytes.length - 2);
    return bytes;
  }
}

/** Settles the rows of an object at the batches that they came from. */
class Shares implements Settlement {
  readonly #shares: readonly Share[];

  constructor(shares: readonly Share[]) {
    this.#shares = shares;
  }

  arrived(rows: number): void {
    this.#take(rows, (lease, count) => lease.arrived(count));
  }

  lost(rows: number, reason: string): void {
    this.#take(rows, (lease, count) => lease.lost(count, reason));
  }

  #take(rows: number, settle: (lease: Settlement, count: number) => void): void {
    let left = rows;
    for (const share of this.#shares) {
      const count = Math.min(left, share.rows);
      if (count === 0) continue;
      share.rows -= count;
      left -= count;
      settle(share.lease, count);
    }
  }
}

/** Names of objects, by the time at which they were opened. */
class ObjectNames {
  readonly #account: string;
  readonly #suffix: string;
  readonly #stream: string;
  #number = 0;

  constructor({ account, format }: Pick<S3Options, 'account' | 'format'>, startMs: number) {
    this.#account = account;
    this.#suffix = format === 'json' ? '' : `.${format}`;
    this.#stream = timeText(startMs);
  }

  next(openedMs: number): string {
    const [year, month, day, hour] = timeText(openedMs).split(/[-T:]/);
    const date = `year=${year}/month=${month}/day=${day}/hour=${hour}`;
    const number = String(this.#number++).padStart(NUMBER_DIGITS, '0');
    return `${this.#account}/${date}/stream-id=${this.#stream}/${number}${this.#suffix}`;
  }
}

function targetOf(options: S3Options, { name, path, deps }: StageContext): S3Target {
  const { endpoint, bucket, accessKeyId, region, secure, tls, format } = options;
  const origin = `${secure ? 'https' : 'http'}://${endpoint}`;
  if (URL.parse(origin)?.host !== endpoint.toLowerCase()) {
    const problem = `"${endpoint}" is not a host or host:port`;
    throw configError(PIPELINE_ERRORS.option, `${path}.endpoint`, problem);
  }
  const isCompressed = format !== 'json';
  const files = clientTlsFiles(tls, path);
  return new S3Target(
    {
      ...{ origin, bucket, accessKeyId, region, isCompressed },
      secret: secretOf(options, path),
      ...(files === undefined ? {} : { tls: files }),
      inFlightMax: IN_FLIGHT_MAX,
      answerTimeoutMs: DELIVERY_DEFAULTS.attemptTimeoutMs,
      contentType: isCompressed ? 'application/x-ndjson' : 'application/json',
    },
    { clock: deps.clock, report: renewalReport(name, { log: deps.log, counts: deps.metrics }) },
  );
}

function secretOf({ secretAccessKey, secretAccessKeyPath }: S3Options, path: string) {
  if ((secretAccessKey === '') === (secretAccessKeyPath === '')) {
    const problem = 'one of secretAccessKey and secretAccessKeyPath is needed';
    throw configError(PIPELINE_ERRORS.option, path, problem);
  }
  return secretAccessKey === '' ? { path: secretAccessKeyPath } : { text: secretAccessKey };
}

function sum(a: FlowAmount, b: FlowAmount): FlowAmount {
  return { flows: a.flows + b.flows, packets: a.packets + b.packets, bytes: a.bytes + b.bytes };
}

/** RFC 3339, to the second. */
function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
