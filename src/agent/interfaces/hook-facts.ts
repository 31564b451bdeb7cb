import type { Clock } from '../../base/clock.ts';
import { explain, hasCode } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { observedInterface } from '../drain/layout.gen.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import { HOOK_FACTS_MAP } from '../loader/object.ts';
import type { AgentMetrics } from '../metrics.ts';
import { type BirthSpace, findBirths, type Hooked } from './births.ts';
import type { Link } from './link.ts';

/**
 * Everything is worked out anew for a change of anybody's, and any user may change interfaces of
 * his own as fast as he can: so it takes no more than this share of the time …
 */
const SHARE_MAX = 1 / 10;
/** … and no change waits longer. */
const PAUSE_MAX_MS = 100;

const KEY_BYTES = observedInterface.sizeBytes;
const VALUE_BYTES = 4;

/** A watched namespace, for the facts of its hooks. */
export interface FactsSpace {
  /** Its descriptor; undefined: the process's own. */
  readonly netns: number | undefined;
  /** Its descriptor, the process's own, too. */
  readonly fd: number;
  /** By what hooks tell it from others: the low half of its cookie. */
  readonly space: number;
  readonly links: ReadonlyMap<number, Link>;
  readonly hooksOf: (index: number) => Hooked | undefined;
}

export interface HookFactsDeps {
  readonly native: Pick<Native, 'updateMap' | 'removeEntries' | 'namespaceId'>;
  readonly object: BpfObject;
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
  /** Hooks know their namespace; else interfaces of one number share their facts. */
  readonly exact: boolean;
  /** Hooks look into tunnels: TUNNEL_INNER_FLOWS. */
  readonly readsTunnels: boolean;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/** The number of no interface: some of the namespace have hooks. */
const ANY = 0;

/**
 * Tells hooks where packets are born (bpf/births.h), and probes where hooks are (bpf/watched.h).
 * Everything is worked out anew after a change:
 * one interface's hooks matter for those of its other end, its ports and what is on top of it.
 */
export class HookFacts {
  readonly #deps: HookFactsDeps;
  readonly #spaces = new Map<FactsSpace, KnownSpace>();
  /** What is in the map, by place. */
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

  /** An interface or a hook came, went or changed, or is about to. Resolves when hooks know. */
  changed(): Promise<void> {
    // What changes together is worked out once.
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
      // Of several that hooks cannot tell apart, what holds for all.
      found.set(key, others === undefined ? facts : others & facts);
    };
    findBirths([...this.#spaces.values()], tell, this.#deps);
    for (const [key, facts] of found) {
      if (this.#written.get(key) === facts || this.#set(key, facts)) continue;
      // Tried again at the next change.
      found.delete(key);
    }
    const gone = [...this.#written.keys()].filter((key) => !found.has(key));
    this.#written = found;
    if (gone.length > 0) void this.#forget(gone);
  }

  /** False: the map has not taken it. */
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
      // One that came back meanwhile was removed with its past.
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
    // The end of the agent, or maps of another loader that has not pinned this one.
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

/** A namespace, and how others number it. */
class KnownSpace implements BirthSpace {
  readonly links: ReadonlyMap<number, Link>;
  readonly hooksOf: (index: number) => Hooked | undefined;
  readonly space: number;
  readonly #own: FactsSpace;
  readonly #native: Pick<Native, 'namespaceId'>;
  /** A namespace keeps the number that it has given to another for as long as both are there. */
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
      // Gone, or not to be entered: then it is none that is known.
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
