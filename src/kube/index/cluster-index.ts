import type { Clock } from '../../base/clock.ts';
import type { InternTables } from '../../flow/intern.ts';
import type { FactSpans, TimedFacts } from '../../flow/timed-memo.ts';
import type { KubeMetrics } from '../metrics.ts';
import type { Reflection } from '../reflector.ts';
import { Holdings } from './holdings.ts';
import { NodePorts } from './node-ports.ts';
import {
  type KubeKind,
  type KubeObject,
  type KubeOwner,
  looksEqual,
  type OwnerRef,
  PRIMARY_NETWORK,
  typeOf,
} from './objects.ts';
import { Owners } from './owners.ts';
import { slimOwner, TIME_STEP_MS } from './slim.ts';

export interface IndexLimits {
  /** Pods, nodes, services and slices that exist. */
  readonly objectsMax: number;
  /** Objects that own others. */
  readonly ownersMax: number;
  /** Addresses that objects gave back, which late flows still find. */
  readonly pastMax: number;
  /** For how long they find them, milliseconds. */
  readonly pastMs: number;
}

export const INDEX_LIMITS: IndexLimits = {
  objectsMax: 250_000,
  ownersMax: 250_000,
  pastMax: 200_000,
  pastMs: 15 * 60_000,
};

export interface IndexDeps {
  readonly clock: Clock;
  readonly metrics: KubeMetrics;
}

/** The meaning of one fact: an object in one of its networks. */
export interface Named {
  readonly object: KubeObject;
  /** `primary`, or the name of another network. */
  readonly network: string;
}

/** Facts that there is room for at first. */
const FACTS_MIN = 1024;

const RANK: Readonly<Record<KubeKind, number>> = { Pod: 0, Node: 1, Service: 2, EndpointSlice: 3 };

/** In `nodeFacts`, a fact about a node. */
export const IS_NODE = 1;

interface Fact extends Named {
  object: KubeObject;
  /** Holdings that name it. */
  holdings: number;
}

/** An object that exists, and the facts about it by network. */
interface Known {
  object: KubeObject;
  readonly facts: Map<string, number>;
  /** When the API last said something about it. */
  seenMs: number;
  /** Keys that it holds, with the fact of each. */
  held: ReadonlyMap<string, number>;
}

/**
 * The cluster as flows see it: who has, and had, which address, and the names that follow. Facts
 * are dense numbers, so a name is an array look-up; they hold for one `version`.
 */
export class ClusterIndex implements TimedFacts {
  readonly owners: Owners;
  /** Ports of services on nodes. */
  readonly nodePorts = new NodePorts();
  readonly #limits: IndexLimits;
  readonly #deps: IndexDeps;
  readonly #holdings: Holdings;
  readonly #known = new Map<string, Known>();
  readonly #nodes = new Map<string, KubeObject>();
  readonly #counts: Record<KubeKind, number> = { Pod: 0, Node: 0, Service: 0, EndpointSlice: 0 };
  /** By number; 0 is `NO_FACT`. */
  readonly #facts: (Fact | undefined)[] = [undefined];
  readonly #free: number[] = [];
  #hits = new Float64Array(FACTS_MIN);
  #nodeFacts = new Uint8Array(FACTS_MIN);
  #version = 1;
  /** When addresses were given back, in order. */
  #past: number[] = [];
  #hasChanged = false;

  constructor(deps: IndexDeps, limits: Partial<IndexLimits> = {}) {
    this.#deps = deps;
    this.#limits = { ...INDEX_LIMITS, ...limits };
    this.owners = new Owners(this.#limits.ownersMax, () => deps.metrics.evicted('owners', 1));
    this.#holdings = new Holdings(
      (fact) => this.#forgotten(fact),
      () => deps.metrics.evicted('holders', 1),
    );
  }

  /** Counts up when names change; asking for it makes it valid for everything known so far. */
  get version(): number {
    if (this.#hasChanged) {
      this.#version++;
      this.#hasChanged = false;
    }
    return this.#version;
  }

  /** Facts have lower numbers. */
  get factsEnd(): number {
    return this.#facts.length;
  }

  /** Flows that each fact named; the caller counts. */
  get hits(): Float64Array {
    return this.#hits;
  }

  /** By fact: `IS_NODE`, or 0. */
  get nodeFacts(): Uint8Array {
    return this.#nodeFacts;
  }

  find(id: number, tables: InternTables, spans: FactSpans): void {
    this.findKey(tables.addresses.text(id), spans);
  }

  findKey(key: string, spans: FactSpans): void {
    this.#holdings.find(key, spans);
  }

  named(fact: number): Named | undefined {
    return this.#facts[fact];
  }

  /** The owner that flows are named after: the object itself if it has none. */
  ownerOf(object: KubeObject, tracked: ReadonlySet<string>): OwnerRef {
    return object.owner === undefined ? object : this.owners.top(object.owner, tracked);
  }

  /** Empty if it is not known. Services are in no zone. */
  zoneOf({ kind, zone, hostName }: KubeObject): string {
    return kind === 'Pod' ? (this.#nodes.get(hostName)?.zone ?? '') : zone;
  }

  reflection(
    kind: KubeKind,
    slim: (object: unknown) => KubeObject | undefined,
  ): Reflection<KubeObject> {
    return {
      slim,
      replace: (objects, confirmedMs) => this.#replace(kind, objects, confirmedMs),
      put: (object) => this.put(object),
      remove: (object) => this.remove(object),
    };
  }

  /** Objects of a kind that own others. */
  ownerReflection(kind: string): Reflection<KubeOwner> {
    const put = (owner: KubeOwner): void => {
      if (this.owners.put(owner)) this.#hasChanged = true;
      this.#deps.metrics.objects('owners', this.owners.size);
    };
    return {
      slim: (object) => slimOwner(kind, object),
      replace: (owners) => {
        for (const owner of owners) put(owner);
        const uids = new Set(owners.map(({ uid }) => uid));
        this.owners.keepOnly(kind, uids, this.#deps.clock.nowMs());
      },
      put,
      remove: ({ uid }) => this.owners.remove(uid, this.#deps.clock.nowMs()),
    };
  }

  /** `confirmedMs`: until when no change of anything was missed; default: none was missed. */
  put(object: KubeObject, confirmedMs = Number.POSITIVE_INFINITY): void {
    const known = this.#known.get(object.uid) ?? this.#add(object);
    if (known === undefined) return;
    const before = known.object;
    known.object = object;
    if (object.kind === 'Node') this.#nodes.set(object.name, object);
    if (before === object || !looksEqual(before, object)) this.#hasChanged = true;
    for (const fact of known.facts.values()) this.#facts[fact]!.object = object;
    this.#hold(known, before, confirmedMs);
    known.seenMs = this.#deps.clock.nowMs();
  }

  /** `toMs`: since when others may have its addresses. */
  remove({ uid, kind, name }: KubeObject, toMs = this.#deps.clock.nowMs()): void {
    const known = this.#known.get(uid);
    if (known === undefined) return;
    this.#known.delete(uid);
    this.#deps.metrics.objects(kind, --this.#counts[kind]);
    // A node of the same name may have replaced it.
    if (kind === 'Node' && this.#nodes.get(name)?.uid === uid) this.#nodes.delete(name);
    this.#hasChanged = true;
    this.#releaseAll(known, toMs);
    this.#freeUnused(known);
    if (this.#past.length > this.#limits.pastMax) this.#forgetEarly();
  }

  /** Forgets what ended too long ago. */
  sweep(): void {
    this.#forget(this.#deps.clock.nowMs() - this.#limits.pastMs);
  }

  /** Reports hits since the last call. */
  reportHits(): void {
    for (let fact = 1; fact < this.#facts.length; fact++) this.#reportHits(fact);
  }

  /** Others that nobody saw may have had the addresses of what is gone, since `confirmedMs`. */
  #replace(kind: KubeKind, objects: readonly KubeObject[], confirmedMs?: number): void {
    const uids = new Set(objects.map(({ uid }) => uid));
    for (const { object, seenMs } of [...this.#known.values()]) {
      if (object.kind !== kind || uids.has(object.uid)) continue;
      this.remove(object, confirmedMs === undefined ? undefined : Math.max(seenMs, confirmedMs));
    }
    for (const object of objects) this.put(object, confirmedMs);
  }

  #add(object: KubeObject): Known | undefined {
    const { metrics, clock } = this.#deps;
    const nowMs = clock.nowMs();
    if (this.#known.size >= this.#limits.objectsMax) {
      metrics.evicted('objects', 1);
      return undefined;
    }
    const known: Known = { object, facts: new Map(), seenMs: nowMs, held: new Map() };
    this.#known.set(object.uid, known);
    metrics.objects(object.kind, ++this.#counts[object.kind]);
    return known;
  }

  /** Takes the keys that the object has got, and releases those that it has lost. */
  #hold(known: Known, before: KubeObject, confirmedMs: number): void {
    const { object } = known;
    const nowMs = this.#deps.clock.nowMs();
    if (object.toMs !== Number.POSITIVE_INFINITY) {
      // It ended before we looked: flows that it sent may still arrive.
      if (before === object && object.toMs !== undefined) this.#takeAll(known, before, confirmedMs);
      this.#releaseAll(known, object.toMs ?? nowMs);
      return;
    }
    this.#takeAll(known, before, confirmedMs);
    const wanted = new Set([...object.addresses, ...object.networks.map(({ key }) => key)]);
    const kept = new Map<string, number>();
    for (const [key, fact] of known.held) {
      if (wanted.has(key)) kept.set(key, fact);
      else this.#release(key, fact, nowMs);
    }
    known.held = kept;
  }

  #takeAll(known: Known, before: KubeObject, confirmedMs: number): void {
    const { object } = known;
    const nowMs = this.#deps.clock.nowMs();
    const hadNetworks = new Set(known.facts.keys());
    const held = new Map(known.held);
    const take = (key: string, network: string): void => {
      if (held.has(key)) return;
      const fact = this.#factFor(known, network);
      held.set(key, fact);
      this.#facts[fact]!.holdings++;
      // Keys that it gets later than the first ones of a network are newer than the object.
      const isLate = hadNetworks.has(network) && object.fromMs === before.fromMs;
      const fromMs = isLate ? known.seenMs : object.fromMs;
      const isExact = object.isExact && !isLate;
      const sureMs = isExact ? fromMs + TIME_STEP_MS : Math.max(fromMs, nowMs);
      // Somebody whom nobody saw may have had it before.
      const isFollower = fromMs + TIME_STEP_MS > confirmedMs;
      this.#holdings.take(key, fact, RANK[object.kind], isFollower ? sureMs : fromMs, sureMs);
      this.#hasChanged = true;
    };
    for (const address of object.addresses) take(address, PRIMARY_NETWORK);
    for (const { key, network } of object.networks) {
      take(key, network);
      this.nodePorts.add(key);
    }
    known.held = held;
  }

  #releaseAll(known: Known, toMs: number): void {
    for (const [key, fact] of known.held) this.#release(key, fact, toMs);
    known.held = new Map();
  }

  #release(key: string, fact: number, toMs: number): void {
    if (!this.#holdings.release(key, fact, toMs)) return;
    this.#hasChanged = true;
    this.#past.push(this.#deps.clock.nowMs());
  }

  #factFor(known: Known, network: string): number {
    const made = known.facts.get(network);
    if (made !== undefined) return made;
    const fact = this.#free.pop() ?? this.#facts.length;
    this.#facts[fact] = { object: known.object, network, holdings: 0 };
    if (fact >= this.#hits.length) this.#growFacts();
    this.#nodeFacts[fact] = known.object.kind === 'Node' ? IS_NODE : 0;
    known.facts.set(network, fact);
    return fact;
  }

  #growFacts(): void {
    const hits = new Float64Array(this.#hits.length * 2);
    const nodeFacts = new Uint8Array(hits.length);
    hits.set(this.#hits);
    nodeFacts.set(this.#nodeFacts);
    this.#hits = hits;
    this.#nodeFacts = nodeFacts;
  }

  /** One holding of the fact is forgotten. */
  #forgotten(fact: number): void {
    const one = this.#facts[fact]!;
    one.holdings--;
    this.#hasChanged = true;
    const known = this.#known.get(one.object.uid);
    if (one.holdings > 0 || known?.facts.get(one.network) === fact) return;
    this.#freeFact(fact);
  }

  /** An object that never held anything leaves no facts behind. */
  #freeUnused(known: Known): void {
    for (const fact of known.facts.values()) {
      if (this.#facts[fact]?.holdings === 0) this.#freeFact(fact);
    }
  }

  #freeFact(fact: number): void {
    this.#reportHits(fact);
    this.#facts[fact] = undefined;
    this.#free.push(fact);
  }

  #reportHits(fact: number): void {
    const count = this.#hits[fact]!;
    if (count === 0) return;
    this.#hits[fact] = 0;
    const { object, network } = this.#facts[fact]!;
    this.#deps.metrics.hits(typeOf(object), object.namespace, network, count);
  }

  /** A tenth of what is past, the oldest, makes room for more. */
  #forgetEarly(): void {
    const evicted = Math.ceil(this.#past.length / 10);
    this.#deps.metrics.evicted('past', evicted);
    this.#forget(this.#past[evicted - 1]! + 1);
  }

  #forget(beforeMs: number): void {
    this.#holdings.forget(beforeMs);
    this.owners.forget(beforeMs);
    const first = this.#past.findIndex((timeMs) => timeMs >= beforeMs);
    this.#past = first === -1 ? [] : this.#past.slice(first);
  }
}
