import type { Clock } from '../../base/clock.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import type { Conversation, GrpcServer } from '../../net/grpc/server.ts';
import type { ServerTlsFiles } from '../../net/server-tls.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { KUBE_ERRORS } from '../errors.ts';
import type { ClusterFeed, ClusterSink, FeedNeeds } from '../feed.ts';
import { createFeedMetrics, type FeedMetrics } from './feed-metrics.ts';
import { type CacheUpdate, readUpdate, writeSync } from './messages.ts';
import { MESSAGE_BYTES_MAX, METHOD, OPERATION } from './protocol.ts';
import { Replica } from './replica.ts';

export interface CacheFeedConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: ServerTlsFiles | undefined;
}

export interface CacheFeedDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Calls at once over one connection. */
const STREAMS_MAX = 100;
/** Informers that vanished are noticed after these two together. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** A snapshot that nobody ends is over when no part has come for this long. */
const QUIET_MS = 5000;
const TICK_MS = 1000;
const ID_DIGITS = 8;

/** Informers that send the cluster at the moment. */
interface Informer {
  readonly peer: string;
  /** It has sent a snapshot, or began one. */
  hasBegun: boolean;
}

/**
 * Takes the cluster from informers, in place of the API. The informers that began a snapshot last
 * are believed: they are the new leader. What is known stays in use while none is there.
 */
export class CacheFeed implements ClusterFeed {
  readonly #config: CacheFeedConfig;
  readonly #deps: CacheFeedDeps;
  readonly #metrics: FeedMetrics;
  readonly #informers = new Set<Informer>();
  readonly #synced = Promise.withResolvers<void>();
  #server: GrpcServer | undefined;
  #replica: Replica | undefined;
  #ticks: Disposable | undefined;
  #believed: Informer | undefined;
  #isSynced = false;
  /** When the last part of the present snapshot came, monotonic milliseconds. */
  #partMs = 0;
  /** Since when there are no informers. */
  #awayMs: number;

  constructor(config: CacheFeedConfig, deps: CacheFeedDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#metrics = createFeedMetrics(deps.metrics);
    this.#awayMs = deps.clock.monotonicMs();
  }

  get synced(): Promise<unknown> {
    return this.#synced.promise;
  }

  /** The port that it listens on. */
  get port(): number {
    return this.#server?.port ?? 0;
  }

  async start(sink: ClusterSink, needs: FeedNeeds): Promise<void> {
    const { clock, log, metrics } = this.#deps;
    await this.stop();
    // Informers that come again bring a snapshot with the further labels.
    if (this.#replica === undefined) this.#replica = new Replica(sink, needs, this.#metrics);
    else this.#replica.use(needs);
    // Here and not at the top: most pipelines do without the library.
    const { GrpcServer: Made } = await import('../../net/grpc/server.ts');
    this.#server = new Made(
      {
        ...this.#config,
        method: METHOD,
        messageBytesMax: MESSAGE_BYTES_MAX,
        options: {
          'grpc.max_concurrent_streams': STREAMS_MAX,
          'grpc.keepalive_time_ms': KEEPALIVE_MS,
          'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
        },
      },
      {
        clock,
        renewal: renewalReport('k8scache', { log, counts: metrics }),
        converse: (conversation) => this.#converse(conversation),
      },
    );
    await this.#server.start();
    this.#ticks = clock.every(TICK_MS, () => this.#tick());
  }

  async stop(): Promise<void> {
    this.#ticks?.[Symbol.dispose]();
    await this.#server?.stop();
  }

  state(): HealthState {
    if (!this.#isSynced) {
      const isComing = this.#informers.size > 0;
      const reason = isComing ? 'the first snapshot is not complete' : 'informers never came';
      return { ok: false, reason: `${reason} (k8scache)` };
    }
    if (this.#believed !== undefined) return { ok: true };
    const seconds = Math.round((this.#deps.clock.monotonicMs() - this.#awayMs) / 1000);
    return { ok: true, note: `informers have been away for ${seconds} s; names are as of then` };
  }

  async #converse({ messages, peer, write }: Conversation): Promise<void> {
    const { log, random } = this.#deps;
    const informer: Informer = { peer, hasBegun: false };
    const processorId = `netobserv-${random()
      .toString(36)
      .slice(2, 2 + ID_DIGITS)}`;
    this.#informers.add(informer);
    this.#metrics.informers(this.#informers.size);
    log.info({ component: 'k8scache', peer }, 'informers have come');
    try {
      // From version 0 on: a snapshot.
      await write(writeSync({ type: 'request', processorId, lastVersion: 0 }));
      for await (const message of messages) {
        const { version, error } = this.#take(message, informer);
        await write(writeSync({ type: 'ack', processorId, version, error }));
        if (error !== '') return;
      }
    } catch (error) {
      log.info({ component: 'k8scache', peer, error: explain(error) }, 'a stream has broken');
    } finally {
      this.#left(informer);
    }
  }

  #left(informer: Informer): void {
    this.#informers.delete(informer);
    this.#metrics.informers(this.#informers.size);
    if (this.#believed !== informer) return;
    this.#believed = undefined;
    this.#awayMs = this.#deps.clock.monotonicMs();
    const fields = { component: 'k8scache', peer: informer.peer };
    this.#deps.log.warn(fields, 'informers are away; what is known stays in use');
  }

  /** The acknowledgement. */
  #take(message: Buffer, informer: Informer): { readonly version: number; readonly error: string } {
    let version = 0;
    try {
      const update = readUpdate(message);
      version = update.version;
      this.#apply(update, informer);
      return { version, error: '' };
    } catch (error) {
      const code = error instanceof NetobservError ? error.code : KUBE_ERRORS.update.code;
      this.#metrics.refused(code);
      const fields = { component: 'k8scache', peer: informer.peer, error: explain(error) };
      this.#deps.log.warn(fields, 'a message of informers is refused');
      return { version, error: explain(error) };
    }
  }

  #apply({ isSnapshot, operation, entries }: CacheUpdate, informer: Informer): void {
    const replica = this.#replica!;
    const isKnown = isSnapshot || Object.values(OPERATION).includes(operation as never);
    if (!isKnown) throw refused(`there is no operation ${operation}`);
    const read = entries.map((entry) => replica.read(entry));
    if (isSnapshot) this.#begin(informer);
    if (!informer.hasBegun) throw refused('changes came before a snapshot');
    if (this.#believed !== informer) throw refused('other informers have taken over');
    for (const entry of read) {
      if (operation === OPERATION.delete && !isSnapshot) replica.remove(entry);
      else replica.put(entry);
    }
    this.#metrics.applied(isSnapshot ? 'SNAPSHOT' : NAMES[operation]!);
    if (!replica.isInSnapshot) return;
    this.#partMs = this.#deps.clock.monotonicMs();
    // Our own informers end a snapshot so; others do not say where it ends.
    if (!isSnapshot && operation === OPERATION.add && entries.length === 0) this.#end();
  }

  /** Older informers mark every part of a snapshot: those go on with the same one. */
  #begin(informer: Informer): void {
    const goesOn = this.#believed === informer && this.#replica!.isInSnapshot;
    if (goesOn) return;
    informer.hasBegun = true;
    this.#believed = informer;
    this.#replica!.beginSnapshot();
  }

  #end(): void {
    this.#replica!.endSnapshot();
    this.#metrics.snapshot();
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#synced.resolve();
  }

  #tick(): void {
    if (this.#believed === undefined || !this.#replica!.isInSnapshot) return;
    if (this.#deps.clock.monotonicMs() - this.#partMs >= QUIET_MS) this.#end();
  }
}

const NAMES: Readonly<Record<number, string>> = {
  [OPERATION.add]: 'ADD',
  [OPERATION.update]: 'UPDATE',
  [OPERATION.delete]: 'DELETE',
};

function refused(problem: string): NetobservError {
  return new NetobservError(KUBE_ERRORS.update, problem);
}
