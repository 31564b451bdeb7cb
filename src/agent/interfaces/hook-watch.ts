import { explain, hasCode } from '../../base/errors.ts';
import { Level } from '../../base/level.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Direction, Hook } from '../loader/hook.ts';
import type { Native } from '../loader/native.ts';
import { hasMadeQdisc, type ProcessView } from '../loader/owner.ts';
import { type Ahead, type Findings, inOrderOfRemoval, judgeChain, type Ours } from './chain.ts';
import { ChainReader, type ChainReaderDeps } from './chain-reader.ts';
import type { Company } from './company.ts';
import {
  CLSACT_EGRESS,
  GROUP_TRAFFIC_CONTROL,
  interfacesIn,
  SHARED_BLOCK,
  type TcFilter,
} from './traffic-control.ts';

/** Delay after news of a filter, since more usually follow. */
const SETTLE_MS = 100;

/**
 * Names of our programs, where the kernel shows them: they pass every packet on, so that running
 * after one is as good as running first. The kernel truncates names to 15 characters.
 */
const HARMLESS = /^(?:flow|capture)_(?:in|e)gress/;

/** The problem with a hook. */
export type Trouble = 'gone' | 'behind';

export interface HookWatchDeps extends ChainReaderDeps {
  readonly native: ChainReaderDeps['native'] & Pick<Native, 'removeFilter' | 'programName'>;
  /** Whether to follow filters that come and go, or only to look on request. */
  readonly follow: boolean;
  readonly ours: Ours;
  readonly processes: ProcessView;
  readonly company: Company;
  /** The namespace, as `company` knows it. */
  readonly space: object;
  readonly log: Log;
  /** Watched interfaces, by number. */
  readonly watched: () => Iterable<number>;
  readonly nameOf: (index: number) => string;
  readonly hooksOf: (index: number) => readonly Hook[];
  /** Whether ours should be before all others in this direction. */
  readonly wantsHead: (direction: Direction) => boolean;
  readonly onTrouble: (index: number, hook: Hook, trouble: Trouble) => void;
}

/**
 * Checks the hooks of one namespace: whether ours are still there, and who else is. The kernel
 * reports TC filters that come and go, but not TCX, so this also looks from time to time.
 */
export class HookWatch {
  readonly #deps: HookWatchDeps;
  readonly #reader: ChainReader;
  readonly #level = new Level(() => this.#look());
  #asked: Set<number> | 'all' = new Set();
  #socket = -1;
  #settling = false;
  #isClosed = false;
  #hasFailed = false;
  readonly #told = new Set<string>();

  constructor(deps: HookWatchDeps) {
    this.#deps = deps;
    this.#reader = new ChainReader(deps);
  }

  open(): void {
    const { native, hub, netns, follow } = this.#deps;
    if (!follow) return;
    this.#socket = native.openNetlink(netns, GROUP_TRAFFIC_CONTROL);
    const { onRefused: refused } = this.#deps;
    hub.add(this.#socket, { receive: (bytes) => this.#hear(bytes), refused });
  }

  /** Resolves when the interface, or all watched interfaces, have been checked. */
  async look(index?: number): Promise<void> {
    if (this.#isClosed) return;
    this.#ask(index);
    await this.#level.request();
  }

  /** Resolves when all checks requested so far are done. */
  async idle(): Promise<void> {
    await this.#level.idle();
  }

  /** The interface is not watched any more. */
  forget(index: number): void {
    this.#deps.company.forget(this.#deps.space, index);
    for (const key of this.#told) {
      if (key.startsWith(`${index}/`)) this.#told.delete(key);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#socket >= 0) this.#deps.hub.remove(this.#socket);
    this.#socket = -1;
    await this.#level.idle();
    this.#deps.company.forget(this.#deps.space);
  }

  #ask(index: number | undefined): void {
    if (index === undefined) this.#asked = 'all';
    else if (this.#asked !== 'all') this.#asked.add(index);
  }

  /** Called when filters or qdiscs came or went; no bytes: some news was lost in a flood. */
  #hear(bytes: Uint8Array): void {
    const watched = new Set(this.#deps.watched());
    const told = interfacesIn(bytes);
    const touched = told.filter((index) => watched.has(index));
    // The message does not show which interfaces share the block.
    const mayBeAny = bytes.length === 0 || told.includes(SHARED_BLOCK);
    if (!mayBeAny && touched.length === 0) return;
    if (mayBeAny) this.#ask(undefined);
    for (const index of touched) this.#ask(index);
    if (this.#settling) return;
    this.#settling = true;
    void this.#deps.clock.sleep(SETTLE_MS).then(() => {
      this.#settling = false;
      if (!this.#isClosed) void this.#level.request();
    });
  }

  async #look(): Promise<void> {
    const asked = this.#asked;
    this.#asked = new Set();
    if (this.#isClosed) return;
    const indexes = asked === 'all' ? [...this.#deps.watched()] : [...asked];
    const before = new Map(indexes.map((index) => [index, [...this.#deps.hooksOf(index)]]));
    try {
      const chains = await this.#reader.read(indexes);
      if (this.#isClosed) return;
      for (const [index, chain] of chains) {
        const { ours, processes } = this.#deps;
        this.#act(index, before.get(index) ?? [], judgeChain(chain, ours, processes));
      }
      this.#hasFailed = false;
    } catch (error) {
      // The namespace went away, or its hooks cannot be read: logged once.
      if (!this.#hasFailed && !this.#isClosed) {
        this.#deps.log.warn({ error: explain(error) }, 'hooks could not be looked at');
      }
      this.#hasFailed = true;
    }
  }

  #act(index: number, before: readonly Hook[], findings: Findings): void {
    const { company, space, nameOf } = this.#deps;
    company.found(space, index, nameOf(index), findings.strangers);
    this.#removeLeftOvers(index, findings.leftOvers);
    this.#warnOf(index, findings.ahead);
    // A hook attached after the look began may be missing from the result.
    const now = this.#deps.hooksOf(index);
    for (const hook of before.filter((one) => now.includes(one))) {
      const trouble = this.#troubleOf(hook, findings);
      if (trouble !== undefined) this.#deps.onTrouble(index, hook, trouble);
    }
  }

  #troubleOf({ direction, mode }: Hook, { present, ahead }: Findings): Trouble | undefined {
    if (mode === 'managed') return undefined;
    const isThere = present.some((one) => one.direction === direction && one.mode === mode);
    if (!isThere) return 'gone';
    if (mode === 'tc' || !this.#deps.wantsHead(direction)) return undefined;
    const isBehind = ahead.some((one) => one.direction === direction && this.#decides(one, 'tcx'));
    return isBehind ? 'behind' : undefined;
  }

  #decides({ by, program }: Ahead, where: Ahead['by']): boolean {
    return by === where && !HARMLESS.test(this.#deps.native.programName(program));
  }

  /** Warns once about others ahead that may end the chain, by configuration or for lack of room. */
  #warnOf(index: number, ahead: readonly Ahead[]): void {
    const { wantsHead, nameOf, log } = this.#deps;
    for (const one of ahead) {
      const key = `${index}/${one.direction}/${one.by}`;
      const isMended = one.by === 'tcx' && wantsHead(one.direction);
      if (isMended || this.#told.has(key) || !this.#decides(one, one.by)) continue;
      this.#told.add(key);
      log.warn(
        { interface: nameOf(index), before: one.what },
        'a hook is behind others: packets that they decide about are not seen; see TCX_ATTACH_ANCHOR_INGRESS',
      );
    }
  }

  #removeLeftOvers(index: number, leftOvers: readonly TcFilter[]): void {
    for (const filter of inOrderOfRemoval(leftOvers)) {
      const { native, netns, log, nameOf } = this.#deps;
      const fields = { interface: nameOf(index), filter: filter.name };
      const isEgress = filter.parent === CLSACT_EGRESS ? 1 : 0;
      const { priority, handle } = filter;
      try {
        native.removeFilter({
          ifindex: index,
          isEgress,
          priority,
          handle,
          withQdisc: hasMadeQdisc(filter.name) ? 1 : 0,
          ...(netns === undefined ? {} : { netns }),
        });
        log.info(fields, 'filter of a capture that was killed is removed');
      } catch (error) {
        if (hasCode(error, 'ENOENT') || hasCode(error, 'EINVAL')) continue;
        log.warn({ ...fields, error: explain(error) }, 'filter left behind cannot be removed');
      }
    }
  }
}
