import { explain, hasCode } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import { setMarks } from '../loader/tags.ts';
import type { AgentMetrics } from '../metrics.ts';

/** Other programs that are named; the rest are counted. */
const NAMED_MAX = 4;

export interface CompanyDeps {
  readonly native: Pick<Native, 'updateMap'>;
  readonly object: BpfObject;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/**
 * Programs of others at the hooks that we watch. Hooks leave marks on packets only while they are
 * alone: everybody shares the field, others' verdicts overwrite it, and the value that they read
 * there may decide where a packet goes. Without marks, packets still count where they are born.
 */
export class Company {
  readonly #deps: CompanyDeps;
  /** By namespace and interface. */
  readonly #strangers = new Map<object, Map<number, readonly string[]>>();
  #marks: boolean | undefined;

  constructor(deps: CompanyDeps) {
    this.#deps = deps;
  }

  /** Sets the programs that are at the interface now. `name` is for people. */
  found(space: object, index: number, name: string, strangers: readonly string[]): void {
    const here = this.#strangers.get(space) ?? new Map<number, readonly string[]>();
    this.#strangers.set(space, here);
    if (strangers.length === 0) here.delete(index);
    else
      here.set(
        index,
        strangers.map((one) => `${name}: ${one}`),
      );
    this.#settle();
  }

  forget(space: object, index?: number): void {
    if (index === undefined) this.#strangers.delete(space);
    else this.#strangers.get(space)?.delete(index);
    if (this.#marks !== undefined) this.#settle();
  }

  /** Text for people; undefined: hooks are alone. */
  describe(): string | undefined {
    const all = this.#all();
    if (all.length === 0) return undefined;
    const more = all.length > NAMED_MAX ? ` and ${all.length - NAMED_MAX} more` : '';
    return `${all.slice(0, NAMED_MAX).join(', ')}${more}: packets are not marked, and count where they are born`;
  }

  #all(): readonly string[] {
    return [...this.#strangers.values()].flatMap((here) => [...here.values()].flat());
  }

  #settle(): void {
    const { native, object, log, metrics } = this.#deps;
    const all = this.#all();
    metrics.strangers.set(all.length);
    const marks = all.length === 0;
    if (marks === this.#marks) return;
    const isFirst = this.#marks === undefined;
    try {
      setMarks(native, object, marks);
    } catch (error) {
      // Maps of another loader have no such switch, or the agent has ended.
      if (hasCode(error, 'ENOENT') || hasCode(error, 'EBADF')) return;
      log.warn({ error: explain(error) }, 'marks could not be switched');
      return;
    }
    this.#marks = marks;
    metrics.marks.set(marks ? 1 : 0);
    if (!marks) {
      log.info(
        { others: all.slice(0, NAMED_MAX), count: all.length },
        'others are at the hooks: packets are not marked, and count where they are born',
      );
    } else if (!isFirst) {
      log.info('nobody else is at the hooks any more: packets are marked again');
    }
  }
}
