import { type BackoffLimits, backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { explain, NetobservError } from '../base/errors.ts';
import type { Log } from '../telemetry/log.ts';
import type { KubeClient } from './client.ts';
import { KUBE_ERRORS } from './errors.ts';
import { JsonLines, ListItems, OBJECT_BYTES_MAX } from './json-parts.ts';
import type { KubeMetrics } from './metrics.ts';
import { recordOf, textOf } from './values.ts';

/** A resource of the API. */
export interface KubeResource {
  /** Its plural, for metrics and messages: `pods`. */
  readonly name: string;
  /** `/api/v1/pods`. */
  readonly path: string;
  /** Only objects with these labels: `app=web`. */
  readonly labelSelector?: string;
  /** Only the metadata of objects is read: `PartialObjectMetadata`. */
  readonly metadataOnly?: boolean;
  /**
   * Not every cluster has it, and not every role may read it: then it counts as one without objects
   * of it, until it can be read.
   */
  readonly isOptional?: boolean;
}

/** Takes the objects. */
export interface Reflection<T> {
  /** The wanted parts of an object; undefined: it cannot be used. */
  slim(object: unknown): T | undefined;
  /**
   * A complete list: what is not in it does not exist any more. It ended after `confirmedMs`, epoch
   * milliseconds; default: just now.
   */
  replace(items: readonly T[], confirmedMs?: number): void;
  put(item: T): void;
  remove(item: T): void;
}

export interface ReflectorLimits {
  readonly pageObjects: number;
  /** Objects of one list; further ones are counted and left out. */
  readonly objectsMax: number;
  readonly objectBytesMax: number;
  /**
   * A watch without a byte for this long is begun anew: the connection may be dead. API servers
   * send a bookmark every minute.
   */
  readonly silenceMs: number;
  /** How long the server is to keep a watch, plus up to a tenth. */
  readonly watchSeconds: number;
  readonly backoff: BackoffLimits;
}

export const REFLECTOR_LIMITS: ReflectorLimits = {
  pageObjects: 500,
  objectsMax: 250_000,
  objectBytesMax: OBJECT_BYTES_MAX,
  silenceMs: 120_000,
  watchSeconds: 290,
  // As the client library of Kubernetes: an API that is back after minutes is soon noticed.
  backoff: { firstMs: 1000, maxMs: 30_000 },
};

export interface ReflectorDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: KubeMetrics;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** A watch that ends earlier, without an event, failed: it must not be repeated at once. */
const WATCH_MIN_MS = 1000;
/** After as many strange answers in a row, the version is doubted, and a list follows. */
const DOUBTS_MAX = 5;

/**
 * Keeps up with all objects of one resource: lists them in pages, then watches from the version of
 * the list on. When a watch ends, the next one goes on where it was; when the API has forgotten
 * that version, a list follows, and replaces everything at once. While the API is away, what is
 * known stays.
 */
export class Reflector<T> {
  readonly #resource: KubeResource;
  readonly #reflection: Reflection<T>;
  readonly #limits: ReflectorLimits;
  readonly #deps: ReflectorDeps;
  /** Where the next watch begins; undefined: a list comes first. */
  #version: string | undefined;
  #lists = 0;
  #isMissing = false;
  #currentMs: number;
  #failures = 0;
  #doubts = 0;
  #problem = '';
  #hasWarned = false;
  /** The last failure was that the API had forgotten the version. */
  #wasExpired = false;
  readonly #firstList = Promise.withResolvers<void>();

  constructor(
    resource: KubeResource,
    reflection: Reflection<T>,
    deps: ReflectorDeps,
    limits: Partial<ReflectorLimits> = {},
  ) {
    this.#resource = resource;
    this.#reflection = reflection;
    this.#deps = deps;
    this.#limits = { ...REFLECTOR_LIMITS, ...limits };
    this.#currentMs = deps.clock.monotonicMs();
  }

  get name(): string {
    return this.#resource.name;
  }

  /** Whether there was a complete list, or there is nothing to list. */
  get isSynced(): boolean {
    return this.#lists > 0 || this.#isMissing;
  }

  /** Resolves with the first complete list. */
  get synced(): Promise<void> {
    return this.#firstList.promise;
  }

  /** Milliseconds since the API last confirmed what is known, by a list or any byte of a watch. */
  get ageMs(): number {
    return this.#deps.clock.monotonicMs() - this.#currentMs;
  }

  /** Why the last attempt failed; empty while all is well. */
  get problem(): string {
    return this.#problem;
  }

  /** Whether what is known may be old: the API does not answer, though it has what is read. */
  get isCutOff(): boolean {
    return this.#problem !== '' && !this.#isMissing;
  }

  /** Never rejects; resolves some time after the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) this.#version = await this.#list(signal);
        await this.#watch(this.#version, signal);
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = this.#failed(error);
        await this.#deps.clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }

  /** The time to wait, milliseconds. */
  #failed(error: unknown): number {
    const { metrics, log, random } = this.#deps;
    const coded = error instanceof NetobservError ? error : undefined;
    const { status, retryAfterMs } = coded?.details ?? {};
    const code = coded?.code ?? KUBE_ERRORS.connect.code;
    metrics.failed(this.name, status === undefined ? code : String(status));
    const isExpired = code === KUBE_ERRORS.expired.code;
    if (code === KUBE_ERRORS.answer.code) this.#doubts++;
    if (isExpired || this.#doubts >= DOUBTS_MAX) {
      this.#version = undefined;
      this.#doubts = 0;
    }
    if (this.#resource.isOptional === true && ABSENT.has(Number(status))) {
      this.#isMissing = true;
      this.#currentMs = this.#deps.clock.monotonicMs();
      this.#firstList.resolve();
    }
    // The API answers, and a list helps, unless the same happens again after it.
    const isHelped = isExpired && !this.#wasExpired;
    this.#wasExpired = isExpired;
    if (isHelped) return 0;
    const retry = this.#failures++;
    this.#problem = explain(error);
    if (!this.#hasWarned) {
      const fields = { component: 'kube', resource: this.name, error: this.#problem };
      log.warn(fields, 'Kubernetes cannot be read; what is known stays in use');
      this.#hasWarned = true;
    }
    const own = backoffMs(retry, this.#limits.backoff, random);
    return Math.max(own, typeof retryAfterMs === 'number' ? retryAfterMs : 0);
  }

  #progress(): void {
    const { clock, log } = this.#deps;
    this.#currentMs = clock.monotonicMs();
    if (this.#hasWarned) {
      log.info({ component: 'kube', resource: this.name }, 'Kubernetes can be read again');
      this.#hasWarned = false;
    }
    this.#failures = 0;
    this.#wasExpired = false;
    this.#doubts = 0;
    this.#problem = '';
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { pageObjects } = this.#limits;
    const items: T[] = [];
    let next = '';
    let version: string;
    do {
      const query = new URLSearchParams({ limit: String(pageObjects) });
      if (next !== '') query.set('continue', next);
      const metadata = await this.#page(query, items, signal);
      next = textOf(metadata.continue);
      version = textOf(metadata.resourceVersion);
    } while (next !== '');
    this.#reflection.replace(items, this.#deps.clock.nowMs() - this.ageMs);
    this.#deps.metrics.listed(this.name);
    this.#lists++;
    this.#currentMs = this.#deps.clock.monotonicMs();
    this.#isMissing = false;
    this.#problem = '';
    this.#firstList.resolve();
    return version;
  }

  async #page(query: URLSearchParams, items: T[], signal: AbortSignal) {
    const { objectsMax, objectBytesMax } = this.#limits;
    const cutter = new ListItems(
      {
        take: (object) => {
          const item = this.#slim(object);
          if (item === undefined) return;
          if (items.length < objectsMax) items.push(item);
          else this.#deps.metrics.evicted('list', 1);
        },
        tooLarge: () => this.#tooLarge(),
      },
      objectBytesMax,
    );
    for await (const chunk of await this.#open(query, 'List', signal)) cutter.push(chunk);
    const { metadata } = recordOf(cutter.end());
    return recordOf(metadata);
  }

  async #watch(version: string, signal: AbortSignal): Promise<void> {
    const { metrics, clock, random } = this.#deps;
    const { watchSeconds, objectBytesMax } = this.#limits;
    const timeoutSeconds = Math.ceil(watchSeconds * (1 + random() / 10));
    const query = new URLSearchParams({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(timeoutSeconds),
    });
    const startMs = clock.monotonicMs();
    const body = await this.#open(query, '', signal);
    metrics.watched(this.name);
    // The API answers. Whether the watch works only its first event shows, at least a bookmark.
    this.#problem = '';
    let events = 0;
    const lines = new JsonLines(
      {
        take: (event) => {
          this.#event(recordOf(event));
          events++;
        },
        tooLarge: () => this.#tooLarge(),
      },
      objectBytesMax,
    );
    for await (const chunk of body) {
      lines.push(chunk);
      if (events > 0) this.#progress();
    }
    if (events === 0 && clock.monotonicMs() - startMs < WATCH_MIN_MS) {
      const problem = `watch of ${this.name}: it ended at once`;
      throw new NetobservError(KUBE_ERRORS.connect, problem, { retryable: true });
    }
    this.#progress();
  }

  #event({ type, object }: Readonly<Record<string, unknown>>): void {
    const { metrics } = this.#deps;
    if (type === 'ERROR') throw watchError(this.name, recordOf(object));
    if (typeof type !== 'string' || !EVENT_TYPES.has(type)) {
      const problem = `watch of ${this.name}: no event has the type ${JSON.stringify(type)}`;
      throw new NetobservError(KUBE_ERRORS.answer, problem, { retryable: true });
    }
    metrics.events(this.name, type);
    const { resourceVersion } = recordOf(recordOf(object).metadata);
    const item = type === 'BOOKMARK' ? undefined : this.#slim(object);
    if (item !== undefined) {
      if (type === 'DELETED') this.#reflection.remove(item);
      else this.#reflection.put(item);
    }
    const version = textOf(resourceVersion);
    if (version !== '') this.#version = version;
  }

  #slim(object: unknown): T | undefined {
    const item = this.#reflection.slim(object);
    if (item === undefined) this.#deps.metrics.failed(this.name, KUBE_ERRORS.answer.code);
    return item;
  }

  #tooLarge(): void {
    this.#deps.metrics.failed(this.name, KUBE_ERRORS.objectTooLarge.code);
  }

  /** `kind`: what follows `PartialObjectMetadata` in the type of the answer. */
  #open(query: URLSearchParams, kind: 'List' | '', signal: AbortSignal) {
    const { path, metadataOnly, labelSelector } = this.#resource;
    if (labelSelector !== undefined) query.set('labelSelector', labelSelector);
    const partial = `application/json;as=PartialObjectMetadata${kind};g=meta.k8s.io;v=v1`;
    return this.#deps.client.open(
      {
        path: `${path}?${query}`,
        accept: metadataOnly === true ? partial : 'application/json',
        silenceMs: this.#limits.silenceMs,
      },
      signal,
    );
  }
}

const EVENT_TYPES = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);
const GONE = 410;
/** Not served, or not for this role. */
const ABSENT = new Set([403, 404]);

/** An event of the type ERROR carries a `Status`. */
function watchError(name: string, status: Readonly<Record<string, unknown>>): NetobservError {
  const { code, message } = status;
  const row = code === GONE ? KUBE_ERRORS.expired : KUBE_ERRORS.answer;
  return new NetobservError(row, `watch of ${name}: ${textOf(message) || 'it failed'}`, {
    retryable: true,
    // It becomes a label.
    details:
      Number.isInteger(code) && Number(code) > 99 && Number(code) < 600 ? { status: code } : {},
  });
}
