import type { KubeOwner, OwnerRef } from './objects.ts';

/** Steps from the owner of an object upwards. */
const HOPS_MAX = 3;

/** The kind that is always looked through: names of replica sets change with each version. */
const REPLICA_SET = 'ReplicaSet';
/** Looked through unless the configuration lists kinds: jobs of a cron job have a name per run. */
const LOOKED_THROUGH = new Set([REPLICA_SET, 'Job']);

interface KnownOwner extends KubeOwner {
  /** When it was removed; Infinity while it exists. */
  goneMs: number;
}

/**
 * Objects that own others. The garbage collector of Kubernetes removes owners before what they own,
 * so they are kept for as long as names of removed pods are.
 */
export class Owners {
  readonly #byUid = new Map<string, KnownOwner>();
  /** Those that were asked for and are not known. */
  readonly #missed = new Set<string>();
  readonly #max: number;
  readonly #onEvicted: () => void;

  constructor(max: number, onEvicted: () => void) {
    this.#max = max;
    this.#onEvicted = onEvicted;
  }

  get size(): number {
    return this.#byUid.size;
  }

  /** Whether somebody has asked for it, so that names may change by it. */
  isAsked(uid: string): boolean {
    return this.#byUid.has(uid) || this.#missed.has(uid) || this.#missed.size >= this.#max;
  }

  /** Whether its own owner is another one than before. */
  put(owner: KubeOwner): boolean {
    const known = this.#byUid.get(owner.uid);
    if (known === undefined && this.#byUid.size >= this.#max) {
      this.#onEvicted();
      return false;
    }
    this.#byUid.set(owner.uid, { ...owner, goneMs: Number.POSITIVE_INFINITY });
    this.#missed.delete(owner.uid);
    return known?.owner?.uid !== owner.owner?.uid;
  }

  remove(uid: string, nowMs: number): void {
    const known = this.#byUid.get(uid);
    if (known !== undefined) known.goneMs = Math.min(known.goneMs, nowMs);
  }

  /** Removes what has this kind and is not in the list. */
  keepOnly(kind: string, uids: ReadonlySet<string>, nowMs: number): void {
    for (const owner of this.#byUid.values()) {
      if (owner.kind === kind && !uids.has(owner.uid)) this.remove(owner.uid, nowMs);
    }
  }

  forget(beforeMs: number): void {
    for (const [uid, { goneMs }] of this.#byUid) if (goneMs < beforeMs) this.#byUid.delete(uid);
  }

  #miss(uid: string): void {
    if (this.#missed.size < this.#max) this.#missed.add(uid);
  }

  /**
   * The owner that flows are named after. Without tracked kinds: that of the replica set or job.
   * Otherwise it climbs to the first owner of a tracked kind, and on while that one's owner is of
   * a tracked kind, too.
   */
  top(ref: OwnerRef, tracked: ReadonlySet<string>): OwnerRef {
    let top = ref;
    for (let hop = 0; hop < HOPS_MAX; hop++) {
      const known = this.#byUid.get(top.uid);
      if (known === undefined) this.#miss(top.uid);
      const next = known?.owner;
      if (next === undefined) return top;
      const climbs =
        tracked.size === 0
          ? LOOKED_THROUGH.has(top.kind)
          : !tracked.has(top.kind) || tracked.has(next.kind);
      if (!climbs) return top;
      top = next;
    }
    return top;
  }
}

/** Kinds whose owners can be looked up, and the usual kinds of these owners. */
const USUAL_OWNERS: Readonly<Record<string, readonly string[]>> = {
  ReplicaSet: ['Deployment', 'Rollout'],
  Job: ['CronJob'],
  Deployment: ['Gateway'],
  StatefulSet: [],
  DaemonSet: [],
  VirtualMachineInstance: ['VirtualMachine'],
};
/** Those that every cluster has. */
const EVERYWHERE = ['ReplicaSet', 'Job', 'Deployment', 'StatefulSet', 'DaemonSet'];

/**
 * The kinds whose metadata must be read so that owners of tracked kinds are found. Any kind may own
 * a workload, so a tracked kind that is unknown here needs all of them.
 */
export function kindsToRead(tracked: readonly string[]): readonly string[] {
  if (tracked.length === 0) return [...LOOKED_THROUGH];
  const known = new Set(Object.entries(USUAL_OWNERS).flat(2));
  const isOpen = tracked.some((kind) => !known.has(kind));
  const leads = (kind: string): boolean =>
    (USUAL_OWNERS[kind] ?? []).some((owner) => tracked.includes(owner) || leads(owner));
  const kinds = Object.keys(USUAL_OWNERS).filter(
    (kind) => kind === REPLICA_SET || leads(kind) || (isOpen && EVERYWHERE.includes(kind)),
  );
  return kinds;
}
