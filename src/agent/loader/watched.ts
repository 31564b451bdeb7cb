import { explain } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { watchedPlace } from '../drain/layout.gen.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { BpfObject, Native } from './native.ts';
import { WATCHED_MAP } from './object.ts';

export interface WatchedDeps {
  readonly native: Pick<Native, 'updateMap' | 'removeEntries'>;
  readonly object: BpfObject;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/** Tells probes which interfaces have hooks, or are about to, by bpf/watched.h. */
export interface Watched {
  /** `netns`: low half of the namespace's cookie. */
  add(netns: number, index: number): void;
  remove(netns: number, index: number): Promise<void>;
}

/** Where there are no probes, or they are somebody else's. */
export const UNWATCHED: Watched = {
  add() {
    // Nobody asks.
  },
  async remove() {
    // Nobody asks.
  },
};

/** The number of no interface: some of the namespace are watched. */
const ANY = 0;
const PRESENT = Uint8Array.of(1, 0, 0, 0);

export class WatchedPlaces implements Watched {
  readonly #deps: WatchedDeps;
  /** By namespace. */
  readonly #indexes = new Map<number, Set<number>>();

  constructor(deps: WatchedDeps) {
    this.#deps = deps;
  }

  add(netns: number, index: number): void {
    const known = this.#indexes.get(netns);
    if (known === undefined) {
      this.#indexes.set(netns, new Set([index]));
      this.#put(netns, ANY);
    } else {
      known.add(index);
    }
    this.#put(netns, index);
  }

  async remove(netns: number, index: number): Promise<void> {
    const known = this.#indexes.get(netns);
    if (known?.delete(index) !== true) return;
    const isLast = known.size === 0;
    if (isLast) this.#indexes.delete(netns);
    const gone = isLast ? [index, ANY] : [index];
    const { native, object } = this.#deps;
    const keys = Buffer.concat(gone.map((each) => keyOf(netns, each)));
    await native.removeEntries(object, WATCHED_MAP, keys);
    // Those that came back meanwhile have been removed with their past.
    const back = this.#indexes.get(netns);
    if (back === undefined) return;
    if (isLast) this.#put(netns, ANY);
    if (back.has(index)) this.#put(netns, index);
  }

  #put(netns: number, index: number): void {
    const { native, object, log, metrics } = this.#deps;
    try {
      native.updateMap(object, WATCHED_MAP, keyOf(netns, index), PRESENT);
    } catch (error) {
      metrics.error('InterfaceEvents', 'Watched:CantWrite', 'medium');
      log.warn({ index, error: explain(error) }, 'probes add no flows of this interface');
    }
  }
}

function keyOf(netns: number, index: number): Uint8Array {
  const key = new Uint8Array(watchedPlace.sizeBytes);
  const view = new DataView(key.buffer);
  view.setUint32(watchedPlace.netns, netns, true);
  view.setUint32(watchedPlace.ifindex, index, true);
  return key;
}
