import type { Clock } from '../../base/clock.ts';
import { explain, hasCode } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { observedInterface } from '../drain/layout.gen.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import { HOOK_FACTS_MAP } from '../loader/object.ts';
import type { AgentMetrics } from '../metrics.ts';
import { type BirthSpace, findBirths, type HookedDirections } from './births.ts';
import type { Link } from './link.ts';

/**
 * Every change recomputes everything, and any user may change their own interfaces as fast as they
 * can: so it takes no more than this share of the time …
 */
const SHARE_MAX = 1 / 10;
/** … and no change waits longer. */
const PAUSE_MAX_MS = 100;

const KEY_BYTES = observedInterface.sizeBytes;
const VALUE_BYTES = 4;

/** A watched namespace and the facts of its hooks. */
export interface FactsSpace {
  /** Its descriptor; undefined: the process's own. */
  readonly netns: number | undefined;
  /** Its descriptor, even for the process's own namespace. */
  readonly fd: number;
  /** The low half of its cookie, by which hooks distinguish it. */
  readonly space: number;
  readonly links: ReadonlyMap<number, Link>;
  readonly hooksOf: (index: number) => HookedDirections | undefined;
}

export interface HookFactsDeps {
  readonly native: Pick<Native, 'updateMap' | 'removeEntries' | 'namespaceId'>;
  readonly object: BpfObject;
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
  /** Hooks know their namespace; otherwise interfaces with the same number share their facts. */
  readonly exact: boolean;
  /** Hooks look into tunnels: TUNNEL_INNER_FLOWS. */
  readonly readsTunnels: boolean;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/** Not the number of an interface: some interface of the namespace has hooks. */
const ANY = 0;

/**
 * Writes facts for hooks, where packets are born (bpf/births.h), and for probes, where hooks are
 * (bpf/watched.h). Every change recomputes everything: one interface's hooks matter for those of
 * its other end, its ports and the interfaces on top of it.
 */
export class HookFacts {
  readonly #deps: HookFactsDeps;
  readonly #spaces = new Map<FactsSpace, KnownSpace>();
  /** The content of the map, by place. */
  #written = new Map<string, number>();
  #writing: Promise<void> | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #hasFailed = false;

  constructor(deps: HookFactsDeps) {
    this.#deps = deps;
  }

  add(space: FactsSpace): void {
    this.#spaces.set(space, new KnownSpace(space, this.#deps.native));
  }

  remove(space: FactsSpace): void {
    this.#spaces.delete(space);
    void this.changed();
  }

  /** Call when an interface or a hook changes or is about to. Resolves when hooks know. */
  changed(): Promise<void> {
    // Changes that come together are computed once.
    this.#writing ??= this.#turn().then(() => {
      this.#writing = undefined;
      const { clock } = this.#deps;
      const beganMs = clock.monotonicMs();
      this.#write();
      const endedMs = clock.monotonicMs();
      const pauseMs = (endedMs - beganMs) * (1 / SHARE_MAX - 1);
      this.#notBeforeMs = endedMs + Math.min(pauseMs, PAUSE_MAX_MS);
    });
    return this.#writing;
  }

  async #turn(): Promise<void> {
    const { clock } = this.#deps;
    const waitMs = this.#notBeforeMs - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs);
  }

  #write(): void {
    const { exact } = this.#deps;
    const found = new Map<string, number>();
    const tell = ({ space }: KnownSpace, index: number, facts: number): void => {
      const netns = exact ? space : 0;
      const key = `${netns}/${index}`;
      const others = found.get(key);
      found.set(`${netns}/${ANY}`, 0);
      // Interfaces that hooks cannot distinguish get the facts that hold for all of them.
      found.set(key, others === undefined ? facts : others & facts);
    };
    findBirths([...this.#spaces.values()], tell, this.#deps);
    for (const [key, facts] of found) {
      if (this.#written.get(key) === facts || this.#set(key, facts)) continue;
      // The next change tries it again.
      found.delete(key);
    }
    const gone = [...this.#written.keys()].filter((key) => !found.has(key));
    this.#written = found;
    if (gone.length > 0) void this.#forget(gone);
  }

  /** False: the map did not accept it. */
  #set(key: string, facts: number): boolean {
    const { native, object } = this.#deps;
    const value = new Uint8Array(VALUE_BYTES);
    new DataView(value.buffer).setUint32(0, facts, true);
    try {
      native.updateMap(object, HOOK_FACTS_MAP, keyBytes([key]), value);
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  async #forget(gone: readonly string[]): Promise<void> {
    const { native, object } = this.#deps;
    try {
      await native.removeEntries(object, HOOK_FACTS_MAP, keyBytes(gone));
      // Entries that came back meanwhile were removed with the old ones.
      for (const key of gone) {
        const facts = this.#written.get(key);
        if (facts !== undefined) this.#set(key, facts);
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const { log, metrics } = this.#deps;
    // The agent has ended, or another loader has not pinned this map.
    if (hasCode(error, 'EBADF') || hasCode(error, 'ENOENT')) return;
    metrics.error('InterfaceEvents', 'HookFacts:CantWrite', 'medium');
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    log.warn(
      { error: explain(error) },
      'hooks cannot be told where packets are born: flows count where they are seen first, ' +
        'and probes add none',
    );
  }
}

/** A namespace, and the numbers by which others know it. */
class KnownSpace implements BirthSpace {
  readonly links: ReadonlyMap<number, Link>;
  readonly hooksOf: (index: number) => HookedDirections | undefined;
  readonly space: number;
  readonly #own: FactsSpace;
  readonly #native: Pick<Native, 'namespaceId'>;
  /** The number that a namespace has given to another stays the same while both exist. */
  readonly #ids = new WeakMap<KnownSpace, number>();

  constructor(own: FactsSpace, native: Pick<Native, 'namespaceId'>) {
    this.#own = own;
    this.#native = native;
    this.links = own.links;
    this.hooksOf = own.hooksOf;
    this.space = own.space;
  }

  isKnownAs(id: number, from: KnownSpace): boolean {
    let known = this.#ids.get(from);
    if (known === undefined) {
      known = this.#ask(from);
      if (known >= 0) this.#ids.set(from, known);
    }
    return known === id;
  }

  #ask(from: KnownSpace): number {
    try {
      return this.#native.namespaceId(from.#own.netns, this.#own.fd);
    } catch {
      // It is gone, or cannot be entered: then it is unknown.
      return -1;
    }
  }
}

function keyBytes(keys: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(keys.length * KEY_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [at, key] of keys.entries()) {
    const [space, index] = key.split('/');
    view.setUint32(at * KEY_BYTES + observedInterface.netns, Number(space), true);
    view.setUint32(at * KEY_BYTES + observedInterface.ifindexSeen, Number(index), true);
  }
  return bytes;
}
