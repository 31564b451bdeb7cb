import { aborted } from '../../base/aborted.ts';
import { type BackoffLimits, backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import type { TlsFiles } from '../../net/grpc/credentials.ts';
import { GrpcStream } from '../../net/grpc/stream.ts';
import type { Log } from '../../telemetry/log.ts';
import { KUBE_ERRORS } from '../errors.ts';
import type { Catalogue, CatalogueItem } from './catalogue.ts';
import type { InformersMetrics } from './informers-metrics.ts';
import { readSync, writeUpdate } from './messages.ts';
import { batchesOf, Outbox } from './outbox.ts';
import { MESSAGE_BYTES_MAX, METHOD, OPERATION } from './protocol.ts';

export interface LinkConfig {
  readonly port: number;
  readonly tls: TlsFiles | undefined;
  /** Name in certificates; empty: the address. */
  readonly serverName: string;
  /** Objects in one message. */
  readonly batchEntries: number;
  /** Messages worth of changes that wait for one processor. */
  readonly bufferMessages: number;
  /** Time for a message to be sent, or acknowledged, milliseconds. */
  readonly sendMs: number;
  readonly backoff: BackoffLimits;
}

export interface LinkDeps {
  readonly catalogue: Catalogue;
  /** Resolves when the catalogue is complete. */
  readonly complete: Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly metrics: InformersMetrics;
}

/** Bytes of entries in one message, unless one of them is larger. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Messages that a processor has not acknowledged. */
const UNACKNOWLEDGED_MAX = 16;

/** How far a processor is, for `/status`. */
export interface LinkStatus {
  readonly address: string;
  readonly state: 'connecting' | 'snapshot' | 'current' | 'waiting';
  /** The last version that it acknowledged. */
  readonly version: number;
  /** Changes that it has not got yet. */
  readonly pending: number;
  /** Why the last attempt failed; empty while all is well. */
  readonly problem: string;
}

/**
 * Keeps one processor up to date. Only `#converse` writes to its stream: a snapshot, then what has
 * changed since. After a failure it begins anew, with growing waits.
 */
export class Link {
  readonly #address: string;
  readonly #config: LinkConfig;
  readonly #deps: LinkDeps;
  readonly #outbox: Outbox;
  #state: LinkStatus['state'] = 'connecting';
  #problem = '';
  #failures = 0;
  #version = 0;
  #acknowledged = 0;
  #isRefused = false;
  /** The fault of its messages. */
  #complaint = '';
  #hasConnected = false;
  #isRequested = false;
  /** The processor said something. */
  #heard = Promise.withResolvers<void>();

  constructor(address: string, config: LinkConfig, deps: LinkDeps) {
    this.#address = address;
    this.#config = config;
    this.#deps = deps;
    this.#outbox = new Outbox(config.bufferMessages * config.batchEntries);
  }

  status(): LinkStatus {
    return {
      address: this.#address,
      state: this.#state,
      version: this.#acknowledged,
      pending: this.#outbox.size,
      problem: this.#problem,
    };
  }

  /** Never rejects; resolves some time after the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    const { backoff } = this.#config;
    await Promise.race([this.#deps.complete, aborted(signal)]);
    while (!signal.aborted) {
      this.#isRefused = false;
      try {
        await this.#connected(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
      }
      if (signal.aborted) return;
      this.#state = 'waiting';
      // Another program may have taken over: it must not be disturbed all the time.
      const waitMs = this.#isRefused
        ? backoff.maxMs
        : backoffMs(Math.max(this.#failures - 1, 0), backoff, random);
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  #failed(error: unknown): void {
    this.#deps.metrics.failed(this.#isRefused ? 'refused' : 'connection');
    this.#problem = explain(error);
    if (this.#failures++ > 0) return;
    const fields = { component: 'informers', processor: this.#address, error: this.#problem };
    this.#deps.log.warn(fields, 'a processor does not get the cluster; trying again');
  }

  async #connected(signal: AbortSignal): Promise<void> {
    const { catalogue, clock, metrics } = this.#deps;
    const { port, tls, serverName } = this.#config;
    this.#state = 'connecting';
    this.#isRequested = false;
    this.#version = 0;
    this.#acknowledged = 0;
    this.#complaint = '';
    const config = {
      ...{ host: this.#address, port, tls, serverName },
      ...{ method: METHOD, messageBytesMax: MESSAGE_BYTES_MAX },
    };
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    const stream = new GrpcStream(config, (message) => this.#take(message, stop, over));
    const ended = stream.ended.finally(() => over.abort());
    ended.catch(() => undefined);
    using _listening = catalogue.listen((change) => this.#outbox.add(change));
    let startMs: number | undefined;
    try {
      await this.#until(() => this.#isRequested, 'asks for nothing', stop);
      if (this.#isRequested) {
        startMs = clock.monotonicMs();
        metrics.connected(!this.#hasConnected);
        this.#hasConnected = true;
        await this.#converse(stream, stop);
      }
      // The reason why it is over.
      if (!signal.aborted && this.#complaint === '') await ended;
    } finally {
      stream.close();
      this.#outbox.clear();
      if (startMs !== undefined) metrics.disconnected(clock.monotonicMs() - startMs);
    }
    if (!signal.aborted) throw this.#broken(this.#complaint || 'it has ended the stream');
  }

  /** Sends until `stop`. */
  async #converse(stream: GrpcStream, stop: AbortSignal): Promise<void> {
    await this.#snapshot(stream, stop);
    while (!stop.aborted) {
      await this.#outbox.news(stop);
      if (stop.aborted) return;
      if (this.#outbox.isOverflown) {
        this.#deps.metrics.overflown();
        await this.#snapshot(stream, stop);
        continue;
      }
      const limits = { entriesMax: this.#config.batchEntries, bytesMax: BATCH_BYTES_MAX };
      const { operation, items } = this.#outbox.take(limits);
      await this.#send(stream, { isSnapshot: false, operation }, items, stop);
    }
  }

  /**
   * The first message replaces what the processor has, the others add to it. One without objects
   * ends it, since other messages do not say which of them is the last.
   */
  async #snapshot(stream: GrpcStream, stop: AbortSignal): Promise<void> {
    this.#state = 'snapshot';
    this.#outbox.clear();
    const { catalogue, metrics, log } = this.#deps;
    const items = catalogue.items();
    const limits = { entriesMax: this.#config.batchEntries, bytesMax: BATCH_BYTES_MAX };
    let isSnapshot = true;
    for (const batch of batchesOf(items, limits)) {
      await this.#send(stream, { isSnapshot, operation: OPERATION.add }, batch, stop);
      isSnapshot = false;
    }
    await this.#send(stream, { isSnapshot, operation: OPERATION.add }, [], stop);
    await this.#until(() => this.#acknowledged >= this.#version, 'acknowledges nothing', stop);
    if (stop.aborted) return;
    metrics.snapshotSent();
    this.#state = 'current';
    this.#problem = '';
    this.#failures = 0;
    const fields = { component: 'informers', processor: this.#address, objects: items.length };
    log.info(fields, 'a processor has the cluster');
  }

  async #send(
    stream: GrpcStream,
    { isSnapshot, operation }: { readonly isSnapshot: boolean; readonly operation: number },
    items: readonly CatalogueItem[],
    stop: AbortSignal,
  ): Promise<void> {
    if (stop.aborted) return;
    const isDelete = operation === OPERATION.delete;
    const entries = items.map(({ entry, owner }) =>
      isDelete ? [entry.head] : [entry.head, owner, entry.rest],
    );
    const version = ++this.#version;
    const message = writeUpdate({ version, isSnapshot, operation }, entries);
    const over = new AbortController();
    const sent = stream.write(message).finally(() => over.abort());
    await Promise.race([sent, this.#late('takes nothing', AbortSignal.any([stop, over.signal]))]);
    // A broken stream has its reason in `ended`.
    if (stop.aborted) return;
    this.#deps.metrics.sent(operation, isSnapshot, message.length);
    const isRoom = (): boolean => this.#version - this.#acknowledged < UNACKNOWLEDGED_MAX;
    await this.#until(isRoom, 'acknowledges nothing', stop);
  }

  #take(message: Buffer, stop: AbortSignal, over: AbortController): void {
    if (stop.aborted) return;
    this.#deps.metrics.received(message.length);
    try {
      const sync = readSync(message);
      if (sync?.type === 'request') this.#isRequested = true;
      else if (sync?.type === 'ack' && sync.error === '') this.#acknowledged = sync.version;
      else if (sync?.type === 'ack') {
        this.#isRefused = true;
        this.#complaint = `it refuses message ${sync.version}: ${sync.error}`;
        over.abort();
      }
    } catch (error) {
      this.#complaint = explain(error);
      over.abort();
    }
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  /** Waits for what the processor says; rejects if it says nothing for too long. */
  async #until(isTrue: () => boolean, problem: string, stop: AbortSignal): Promise<void> {
    while (!isTrue() && !stop.aborted) {
      const over = new AbortController();
      const signal = AbortSignal.any([stop, over.signal]);
      try {
        await Promise.race([this.#heard.promise, this.#late(problem, signal)]);
      } finally {
        over.abort();
      }
    }
  }

  /** Rejects after the time for one message; resolves if the signal is aborted before. */
  async #late(problem: string, signal: AbortSignal): Promise<void> {
    const { sendMs } = this.#config;
    const isLate = await this.#deps.clock.sleep(sendMs, signal).then(
      () => true,
      () => false,
    );
    if (isLate) throw this.#broken(`it ${problem} for ${Math.round(sendMs / 1000)} s`);
  }

  #broken(problem: string): NetobservError {
    const message = `processor ${this.#address}: ${problem}`;
    return new NetobservError(KUBE_ERRORS.processor, message, { retryable: true });
  }
}
