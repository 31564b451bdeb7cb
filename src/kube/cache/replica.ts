import type { ClusterSink } from '../feed.ts';
import type { ClusterNeeds } from '../index/needs.ts';
import type { KubeKind, KubeObject } from '../index/objects.ts';
import type { Reflection } from '../reflector.ts';
import { EntryReader, type ReadEntry } from './entry-reader.ts';
import type { FeedMetrics } from './feed-metrics.ts';

/** Objects that informers may name; the index has its own bound, and counts the others. */
const OBJECTS_MAX = 500_000;

/**
 * The objects of informers, by their place: namespaces and names say which object is meant where
 * there is no UID. It keeps the UIDs only; the objects are in the sink.
 */
export class Replica {
  #reader: EntryReader;
  readonly #metrics: FeedMetrics;
  readonly #reflections: Readonly<Record<KubeKind, Reflection<unknown>>>;
  readonly #places = new Map<string, Pick<KubeObject, 'uid' | 'kind' | 'name'>>();
  /** Places that the present snapshot has not mentioned yet; undefined: there is none. */
  #unconfirmed: Set<string> | undefined;

  constructor(sink: ClusterSink, needs: ClusterNeeds, metrics: FeedMetrics) {
    this.#reader = new EntryReader(needs);
    this.#metrics = metrics;
    const reflection = (kind: KubeKind): Reflection<unknown> =>
      sink.reflection(kind, () => undefined);
    this.#reflections = {
      Pod: reflection('Pod'),
      Node: reflection('Node'),
      Service: reflection('Service'),
      EndpointSlice: reflection('EndpointSlice'),
    };
  }

  /** Objects that are put from now on have what other needs ask for. */
  use(needs: ClusterNeeds): void {
    this.#reader = new EntryReader(needs);
  }

  get isInSnapshot(): boolean {
    return this.#unconfirmed !== undefined;
  }

  /** Objects that are not put until `endSnapshot` do not exist any more; until then they stay. */
  beginSnapshot(): void {
    this.#unconfirmed = new Set(this.#places.keys());
  }

  endSnapshot(): void {
    for (const place of this.#unconfirmed ?? []) this.#removeAt(place);
    this.#unconfirmed = undefined;
  }

  /** Throws `ERR_CODEC_PROTOBUF_…`. */
  read(bytes: Uint8Array): ReadEntry {
    return this.#reader.read(bytes);
  }

  put({ place, object }: ReadEntry): void {
    this.#metrics.entry(object === undefined ? 'other' : 'used');
    if (object === undefined) return;
    const { uid, kind, name } = object;
    const before = this.#places.get(place);
    if (before === undefined && this.#places.size >= OBJECTS_MAX) return;
    // Another object of the same name: the one before is gone.
    if (before !== undefined && before.uid !== uid) this.#removeAt(place);
    this.#unconfirmed?.delete(place);
    this.#places.set(place, { uid, kind, name });
    this.#reflections[kind].put(object);
  }

  /** Not if the place belongs to another object by now. */
  remove({ place, object }: ReadEntry): void {
    this.#metrics.entry(object === undefined ? 'other' : 'used');
    const known = this.#places.get(place);
    if (object === undefined || known === undefined) return;
    // Some say nothing but the place.
    const isNamed = known.uid === object.uid || object.uid === `${place}@0`;
    if (isNamed) this.#removeAt(place);
  }

  #removeAt(place: string): void {
    const known = this.#places.get(place);
    if (known === undefined) return;
    this.#places.delete(place);
    this.#unconfirmed?.delete(place);
    this.#reflections[known.kind].remove(known);
  }
}
