import type { HealthState } from '../telemetry/health.ts';
import type { ClusterNeeds } from './index/needs.ts';
import type { KubeKind, KubeObject, KubeOwner } from './index/objects.ts';
import type { Reflection } from './reflector.ts';

/** Takes the objects of a cluster. */
export interface ClusterSink {
  reflection(
    kind: KubeKind,
    slim: (object: unknown) => KubeObject | undefined,
  ): Reflection<unknown>;
  /** Objects of a kind that own others. */
  ownerReflection(kind: string): Reflection<KubeOwner>;
}

/** The needs of all stages together. */
export interface FeedNeeds extends ClusterNeeds {
  /** Kinds of owners whose own owners matter. */
  readonly ownerKinds: readonly string[];
  /** Endpoints outside of the cluster are wanted, too; default: they are not. */
  readonly readsSlices?: boolean;
}

/** Where the objects come from: the API, or another program that reads it. */
export interface ClusterFeed {
  /**
   * Begins to fill the sink; rejects if it never can. Called again, it begins anew with other
   * needs; what the sink has stays in use until then.
   */
  start(sink: ClusterSink, needs: FeedNeeds, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /** Resolves when the sink is complete for the first time. Asked for after `start`. */
  readonly synced: Promise<unknown>;
  /** Names stay in use while the source is away; the note says since when. */
  state(): HealthState;
}
