import { ChangeLog } from '../../base/change-log.ts';
import type { Clock } from '../../base/clock.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
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

/** Changes between two batches of flows that are looked at one by one. */
const CHANGES_MAX = 16_384;
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

/** An object that exists. There are many of them, so all else is made from these when needed. */
interface Known {
  object: KubeObject;
  /** One for each network that it was in. */
  facts: readonly number[];
  /** When the API last said something about it. */
  seenMs: number;
  /** Whether it holds its keys. */
  isHolder: boolean;
}

const NO_FACTS: readonly number[] = [];

/** Keys of an object with the network of each. */
type Keys = ReadonlyMap<string, string>;

const NO_KEYS: Keys = new Map();

/**
 * The cluster as flows see it: who has, and had, which address, and the names that follow. Facts
 * are dense numbers, so a name is an array look-up; `version` is that of their holders, `names` has
 * the facts whose names have changed.
 */
export class ClusterIndex implements TimedFacts {
  readonly owners: Owners;
  /** Ports of services on nodes. */
  readonly nodePorts = new NodePorts();
  readonly names = new ChangeLog<number>(CHANGES_MAX);
  /** Keys that have got or lost a holder. */
  readonly #holders = new ChangeLog<string>(CHANGES_MAX);
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
  /** When addresses were given back, in order. */
  #past: number[] = [];

  constructor(deps: IndexDeps, limits: Partial<IndexLimits> = {}) {
    this.#deps = deps;
    this.#limits = { ...INDEX_LIMITS, ...limits };
    this.owners = new Owners(this.#limits.ownersMax, () => deps.metrics.evicted('owners', 1));
    this.#holdings = new Holdings(
      (key, fact) => this.#forgotten(key, fact),
      () => deps.metrics.evicted('holders', 1),
    );
  }

  get version(): number {
    return this.#holders.version;
  }

  changedSince(version: number, { addresses }: InternTables): readonly number[] | undefined {
    const keys = this.#holders.since(version);
    return keys?.map((key) => addresses.find(key)).filter((id) => id !== MISSING);
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
      const isAsked = this.owners.isAsked(owner.uid);
      if (this.owners.put(owner) && isAsked) this.names.addAll();
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
    if (object.kind === 'Node') this.#putNode(object);
    const isRenamed = !looksEqual(before, object);
    for (const fact of known.facts) {
      this.#facts[fact]!.object = object;
      if (isRenamed) this.names.add(fact);
    }
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
    if (kind === 'Node' && this.#nodes.get(name)?.uid === uid) {
      this.#nodes.delete(name);
      this.names.addAll();
    }
    if (known.isHolder) this.#release(known, keysOf(known.object), toMs);
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

  /** Pods are in the zone of their node. */
  #putNode(node: KubeObject): void {
    if (this.#nodes.get(node.name)?.zone !== node.zone) this.names.addAll();
    this.#nodes.set(node.name, node);
  }

  #add(object: KubeObject): Known | undefined {
    const { metrics, clock } = this.#deps;
    const nowMs = clock.nowMs();
    if (this.#known.size >= this.#limits.objectsMax) {
      metrics.evicted('objects', 1);
      return undefined;
    }
    const known: Known = { object, facts: NO_FACTS, seenMs: nowMs, isHolder: false };
    this.#known.set(object.uid, known);
    metrics.objects(object.kind, ++this.#counts[object.kind]);
    return known;
  }

  /** Takes the keys that the object has got, and releases those that it has lost. */
  #hold(known: Known, before: KubeObject, confirmedMs: number): void {
    const { object, isHolder } = known;
    const nowMs = this.#deps.clock.nowMs();
    const held = isHolder ? keysOf(before) : NO_KEYS;
    const wanted = keysOf(object);
    known.isHolder = object.toMs === Number.POSITIVE_INFINITY;
    if (known.isHolder) {
      this.#take(known, before, difference(wanted, held), confirmedMs);
      this.#release(known, difference(held, wanted), nowMs);
      return;
    }
    // It ended before we looked: flows that it sent may still arrive.
    const isFirst = before === object && object.toMs !== undefined;
    const late = isFirst ? difference(wanted, held) : NO_KEYS;
    this.#take(known, before, late, confirmedMs);
    this.#release(known, held, object.toMs ?? nowMs);
    this.#release(known, late, object.toMs ?? nowMs);
  }

  #take(known: Known, before: KubeObject, keys: Keys, confirmedMs: number): void {
    const { object } = known;
    const nowMs = this.#deps.clock.nowMs();
    const earlier = known.facts;
    for (const [key, network] of keys) {
      const fact = this.#factFor(known, network);
      this.#facts[fact]!.holdings++;
      // Keys that it gets later than the first ones of a network are newer than the object.
      const isLate = earlier.includes(fact) && object.fromMs === before.fromMs;
      const fromMs = isLate ? known.seenMs : object.fromMs;
      const isExact = object.isExact && !isLate;
      const sureMs = isExact ? fromMs + TIME_STEP_MS : Math.max(fromMs, nowMs);
      // Somebody whom nobody saw may have had it before.
      const isFollower = fromMs + TIME_STEP_MS > confirmedMs;
      this.#holdings.take(key, fact, RANK[object.kind], isFollower ? sureMs : fromMs, sureMs);
      this.#holders.add(key);
      this.nodePorts.add(key);
    }
  }

  #release(known: Known, keys: Keys, toMs: number): void {
    for (const [key, network] of keys) {
      if (!this.#holdings.release(key, this.#factFor(known, network), toMs)) continue;
      this.#holders.add(key);
      this.#past.push(this.#deps.clock.nowMs());
    }
  }

  #factFor(known: Known, network: string): number {
    const made = known.facts.find((fact) => this.#facts[fact]!.network === network);
    if (made !== undefined) return made;
    const fact = this.#free.pop() ?? this.#facts.length;
    this.#facts[fact] = { object: known.object, network, holdings: 0 };
    if (fact >= this.#hits.length) this.#growFacts();
    this.#nodeFacts[fact] = known.object.kind === 'Node' ? IS_NODE : 0;
    known.facts = [...known.facts, fact];
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

  /** The fact does not hold the key any more, not even for late flows. */
  #forgotten(key: string, fact: number): void {
    const one = this.#facts[fact]!;
    one.holdings--;
    this.#holders.add(key);
    const isKnown = this.#known.get(one.object.uid)?.facts.includes(fact) === true;
    if (one.holdings > 0 || isKnown) return;
    this.#freeFact(fact);
  }

  /** An object that never held anything leaves no facts behind. */
  #freeUnused(known: Known): void {
    for (const fact of known.facts) {
      if (this.#facts[fact]?.holdings === 0) this.#freeFact(fact);
    }
  }

  #freeFact(fact: number): void {
    this.#reportHits(fact);
    // Its number may become that of another one.
    this.names.add(fact);
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

/** A key that two networks share is that of the first. */
function keysOf({ addresses, networks }: KubeObject): Keys {
  const keys = new Map<string, string>();
  for (const address of addresses) keys.set(address, PRIMARY_NETWORK);
  for (const { key, network } of networks) if (!keys.has(key)) keys.set(key, network);
  return keys;
}

/** Those of `keys` that the others lack, or have in another network. */
function difference(keys: Keys, others: Keys): Keys {
  if (others.size === 0) return keys;
  return new Map([...keys].filter(([key, network]) => others.get(key) !== network));
}
