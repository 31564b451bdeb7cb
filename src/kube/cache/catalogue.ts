import type { Clock } from '../../base/clock.ts';
import type { ClusterSink } from '../feed.ts';
import type { KubeKind, KubeObject, KubeOwner, OwnerRef } from '../index/objects.ts';
import { Owners } from '../index/owners.ts';
import { slimOwner } from '../index/slim.ts';
import type { KubeMetrics } from '../metrics.ts';
import type { Reflection } from '../reflector.ts';
import { recordOf, textOf } from '../values.ts';
import { type EncodedEntry, EntryWriter } from './entry-writer.ts';
import { OPERATION } from './protocol.ts';

/** An object, as it is sent. */
export interface CatalogueItem {
  readonly uid: string;
  readonly kind: KubeKind;
  readonly entry: EncodedEntry;
  /** The controller; the owner that is sent may be further up. */
  readonly controller: OwnerRef | undefined;
  /** Encoded; empty: it has none. It is looked for when the object is put. */
  readonly owner: Uint8Array;
}

/** The latest news of an object. */
export interface Change {
  readonly operation: number;
  readonly item: CatalogueItem;
}

export interface CatalogueLimits {
  /** Pods, nodes and services. */
  readonly objectsMax: number;
  readonly ownersMax: number;
  /** For how long owners that are gone are remembered, milliseconds. */
  readonly pastMs: number;
}

const LIMITS: CatalogueLimits = {
  objectsMax: 250_000,
  ownersMax: 250_000,
  pastMs: 15 * 60_000,
};

const NO_OWNER = new Uint8Array(0);
/** Owners of owners that are looked for. */
const HOPS_MAX = 3;

/**
 * The objects of the API, as processors get them. They are kept encoded, which takes less memory
 * than the objects themselves, and shows whether anything that is sent has changed.
 */
export class Catalogue implements ClusterSink {
  readonly #items = new Map<string, CatalogueItem>();
  /** The objects, and other owners, that an owner owns, by its UID. */
  readonly #owned = new Map<string, Set<string>>();
  readonly #parents = new Map<string, string>();
  readonly #owners: Owners;
  readonly #tracked: ReadonlySet<string>;
  readonly #writer = new EntryWriter();
  readonly #limits: CatalogueLimits;
  readonly #deps: { readonly clock: Clock; readonly metrics: KubeMetrics };
  readonly #counts: Record<KubeKind, number> = { Pod: 0, Node: 0, Service: 0, EndpointSlice: 0 };
  readonly #listeners = new Set<(change: Change) => void>();

  constructor(
    trackedKinds: readonly string[],
    deps: { readonly clock: Clock; readonly metrics: KubeMetrics },
    limits: Partial<CatalogueLimits> = {},
  ) {
    this.#tracked = new Set(trackedKinds);
    this.#deps = deps;
    this.#limits = { ...LIMITS, ...limits };
    const onEvicted = (): void => deps.metrics.evicted('owners', 1);
    this.#owners = new Owners(this.#limits.ownersMax, onEvicted);
  }

  get size(): number {
    return this.#items.size;
  }

  /** The objects of this moment. */
  items(): readonly CatalogueItem[] {
    return [...this.#items.values()];
  }

  /** Calls for each change from now on. */
  listen(listener: (change: Change) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  reflection(
    kind: KubeKind,
    slim: (object: unknown) => KubeObject | undefined,
  ): Reflection<CatalogueItem> {
    return {
      slim: (object) => {
        const slimmed = slim(object);
        return slimmed && this.#encoded(slimmed, object);
      },
      replace: (items) => {
        const uids = new Set(items.map(({ uid }) => uid));
        for (const item of this.items()) {
          if (item.kind === kind && !uids.has(item.uid)) this.#remove(item);
        }
        for (const item of items) this.#put(item);
      },
      put: (item) => this.#put(item),
      remove: (item) => this.#remove(item),
    };
  }

  ownerReflection(kind: string): Reflection<KubeOwner> {
    const { clock, metrics } = this.#deps;
    const put = (owner: KubeOwner): void => {
      const isNew = this.#owners.put(owner);
      metrics.objects('owners', this.#owners.size);
      if (!isNew) return;
      this.#link(owner.uid, owner.owner?.uid);
      this.#resolveAgain(owner.uid, HOPS_MAX);
    };
    return {
      slim: (object) => slimOwner(kind, object),
      replace: (owners) => {
        for (const owner of owners) put(owner);
        this.#owners.keepOnly(kind, new Set(owners.map(({ uid }) => uid)), clock.nowMs());
      },
      put,
      remove: ({ uid }) => {
        this.#owners.remove(uid, clock.nowMs());
        this.#link(uid, undefined);
      },
    };
  }

  /** Forgets owners that are gone for too long. */
  sweep(): void {
    this.#owners.forget(this.#deps.clock.nowMs() - this.#limits.pastMs);
  }

  /** Nothing is kept any more, as the metrics then say. */
  close(): void {
    for (const kind of ['Pod', 'Node', 'Service'] as const) this.#deps.metrics.objects(kind, 0);
    this.#deps.metrics.objects('owners', 0);
    this.#listeners.clear();
  }

  #encoded(object: KubeObject, raw: unknown): CatalogueItem {
    const { creationTimestamp } = recordOf(recordOf(raw).metadata);
    const entry = this.#writer.encode(object, Date.parse(textOf(creationTimestamp)));
    const { uid, kind, owner } = object;
    return { uid, kind, entry, controller: owner, owner: NO_OWNER };
  }

  #ownerOf(controller: OwnerRef | undefined): Uint8Array {
    if (controller === undefined) return NO_OWNER;
    return this.#writer.owner(this.#owners.top(controller, this.#tracked));
  }

  #put(read: CatalogueItem): void {
    const { metrics } = this.#deps;
    const known = this.#items.get(read.uid);
    if (known === undefined && this.#items.size >= this.#limits.objectsMax) {
      metrics.evicted('objects', 1);
      return;
    }
    const item = { ...read, owner: this.#ownerOf(read.controller) };
    this.#items.set(item.uid, item);
    this.#link(item.uid, item.controller?.uid);
    if (known === undefined) metrics.objects(item.kind, ++this.#counts[item.kind]);
    else if (isSame(known, item)) return;
    this.#tell({ operation: known === undefined ? OPERATION.add : OPERATION.update, item });
  }

  #remove({ uid }: CatalogueItem): void {
    const item = this.#items.get(uid);
    if (item === undefined) return;
    this.#items.delete(uid);
    this.#link(uid, undefined);
    this.#deps.metrics.objects(item.kind, --this.#counts[item.kind]);
    this.#tell({ operation: OPERATION.delete, item });
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  /** Notes who owns it, instead of the one before. */
  #link(uid: string, parent: string | undefined): void {
    const before = this.#parents.get(uid);
    if (before === parent) return;
    if (before !== undefined) {
      const owned = this.#owned.get(before);
      owned?.delete(uid);
      if (owned?.size === 0) this.#owned.delete(before);
      this.#parents.delete(uid);
    }
    if (parent === undefined || parent === '') return;
    this.#parents.set(uid, parent);
    const owned = this.#owned.get(parent) ?? new Set();
    this.#owned.set(parent, owned.add(uid));
  }

  /** An owner got an owner of its own: names of everything below it may change. */
  #resolveAgain(uid: string, hops: number): void {
    for (const owned of this.#owned.get(uid) ?? []) {
      const known = this.#items.get(owned);
      if (known !== undefined) this.#put(known);
      else if (hops > 1) this.#resolveAgain(owned, hops - 1);
    }
  }
}

function isSame(a: CatalogueItem, b: CatalogueItem): boolean {
  return (
    equal(a.owner, b.owner) &&
    equal(a.entry.rest, b.entry.rest) &&
    equal(a.entry.head, b.entry.head)
  );
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || Buffer.compare(a, b) === 0;
}
