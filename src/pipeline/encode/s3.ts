import { systemRandom } from '../../base/clock.ts';
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
import { JsonContents, type ObjectContents, timeText } from './object-contents.ts';
import { ParquetContents } from './parquet-contents.ts';

/** Objects that may wait; usually the limit of bytes is reached first. */
const OBJECTS_MAX = 512;
const IN_FLIGHT_MAX = 4;
/** Digits of an object's number in its name. */
const NUMBER_DIGITS = 8;

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
  readonly #contents: ObjectContents;
  readonly #delivery: Delivery<S3Message>;
  readonly #names: ObjectNames;
  // The object that is being filled.
  #amount: FlowAmount = NO_FLOWS;
  #shares: Share[] = [];
  #openedMs = 0;
  #timer: Disposable | undefined;

  constructor(options: S3Options, context: StageContext) {
    const { clock, log, metrics, random = systemRandom } = context.deps;
    this.name = context.name;
    this.#options = options;
    this.#deps = context.deps;
    this.#contents =
      options.format === 'parquet'
        ? new ParquetContents()
        : new JsonContents(options, context.named);
    this.#names = new ObjectNames(options.account, this.#contents.suffix, clock.nowMs());
    this.#delivery = new Delivery(
      { ...DELIVERY_DEFAULTS, batchesMax: OBJECTS_MAX, bytesMax: SPOOL_BYTES_MAX },
      {
        target: targetOf(options, this.#contents, context),
        clock,
        log: log.child({ component: 'pipeline', branch: context.name }),
        metrics: createDeliveryMetrics(metrics, context.name),
        random,
      },
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#contents.open?.();
    await this.#delivery.start(signal);
    this.#timer = this.#deps.clock.every(this.#options.writeTimeout, () => this.#close());
  }

  offer(batch: FlowBatch, lease: Lease): boolean {
    if (this.#delivery.isFull()) return false;
    const count = this.#contents.encode(batch);
    for (let from = 0; from < count; ) {
      const room = this.#options.batchSize - this.#amount.flows;
      const to = Math.min(count, from + room);
      this.#add(batch, { from, to }, lease);
      from = to;
      const { flows } = this.#amount;
      if (flows === this.#options.batchSize || this.#contents.isFull) this.#close();
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

  /** Adds rows of the batch to the object. */
  #add(batch: FlowBatch, run: { readonly from: number; readonly to: number }, lease: Lease): void {
    if (this.#amount.flows === 0) this.#openedMs = this.#deps.clock.nowMs();
    this.#contents.add(run.from, run.to);
    this.#amount = sum(this.#amount, amountOf(batch, run));
    this.#shares.push({ lease, rows: run.to - run.from });
  }

  /** Sends the object away, if it has flows. */
  #close(): void {
    if (this.#amount.flows === 0) return;
    const closedMs = this.#deps.clock.nowMs();
    const openedMs = this.#openedMs;
    const amount = this.#amount;
    const settlement = new Shares(this.#shares);
    const bytes = this.#contents.close({ openedMs, closedMs, flows: amount.flows });
    const message = { bytes, amount, key: this.#names.next(openedMs) };
    this.#amount = NO_FLOWS;
    this.#shares = [];
    if (!this.#delivery.offer([message], settlement)) settlement.lost(amount.flows, 'full');
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

  constructor(account: string, suffix: string, startMs: number) {
    this.#account = account;
    this.#suffix = suffix;
    this.#stream = timeText(startMs);
  }

  next(openedMs: number): string {
    const [year, month, day, hour] = timeText(openedMs).split(/[-T:]/);
    const date = `year=${year}/month=${month}/day=${day}/hour=${hour}`;
    const number = String(this.#number++).padStart(NUMBER_DIGITS, '0');
    return `${this.#account}/${date}/stream-id=${this.#stream}/${number}${this.#suffix}`;
  }
}

function targetOf(
  options: S3Options,
  { isCompressed, contentType }: ObjectContents,
  { name, path, deps }: StageContext,
): S3Target {
  const { endpoint, bucket, accessKeyId, region, secure, tls } = options;
  const origin = `${secure ? 'https' : 'http'}://${endpoint}`;
  if (URL.parse(origin)?.host !== endpoint.toLowerCase()) {
    const problem = `"${endpoint}" is not a host or host:port`;
    throw configError(PIPELINE_ERRORS.option, `${path}.endpoint`, problem);
  }
  const files = clientTlsFiles(tls, path);
  return new S3Target(
    {
      ...{ origin, bucket, accessKeyId, region, isCompressed },
      secret: secretOf(options, path),
      ...(files === undefined ? {} : { tls: files }),
      inFlightMax: IN_FLIGHT_MAX,
      answerTimeoutMs: DELIVERY_DEFAULTS.attemptTimeoutMs,
      contentType,
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
