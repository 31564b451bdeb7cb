import type { Clock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import type { Native } from '../loader/native.ts';
import type { SocketHub } from './socket-hub.ts';
import {
  CLSACT_EGRESS,
  CLSACT_HANDLE,
  CLSACT_INGRESS,
  decodeTrafficControl,
  encodeFilterDump,
  encodeQdiscDump,
  type Qdisc,
  type TcFilter,
  type TcMessage,
} from './traffic-control.ts';

/** A dump that takes longer has lost its end. */
const DUMP_MS = 5000;
/** Interfaces per request, with room for the maximum number of programs. */
const TCX_BATCH = 64;
const TCX_WORDS = 130;
/** Filters that are kept for one interface: more are not needed to see that others are there. */
const FILTERS_MAX = 256;

/** All programs and filters at one interface, in the order in which they are called. */
export interface Chain {
  readonly tcx: { readonly ingress: readonly number[]; readonly egress: readonly number[] };
  readonly filters: readonly TcFilter[];
  /** Qdiscs that filters may be attached to, or that read fields that others set on packets. */
  readonly qdiscs: readonly Qdisc[];
}

export interface ChainReaderDeps {
  readonly native: Pick<Native, 'openNetlink' | 'send' | 'readTcx'>;
  readonly hub: Pick<SocketHub, 'add' | 'remove' | 'nextSequence'>;
  readonly netns: number | undefined;
  readonly clock: Clock;
  /** Called with the number of messages that did not come from the kernel. */
  readonly onRefused: (messages: number) => void;
}

/** Reads programs and filters attached in one namespace; one reading at a time. */
export class ChainReader {
  readonly #deps: ChainReaderDeps;
  /** False once the kernel has reported that it does not support TCX. */
  #hasTcx = true;

  constructor(deps: ChainReaderDeps) {
    this.#deps = deps;
  }

  async read(indexes: readonly number[]): Promise<ReadonlyMap<number, Chain>> {
    const chains = new Map<number, Chain>();
    if (indexes.length === 0) return chains;
    const tcx = this.#readTcx(indexes);
    const found = await this.#readFilters(new Set(indexes));
    const filters = Map.groupBy(found.filters, ({ ifindex }) => ifindex);
    const qdiscs = Map.groupBy(found.qdiscs, ({ ifindex }) => ifindex);
    for (const index of indexes) {
      chains.set(index, {
        tcx: tcx.get(index) ?? { ingress: [], egress: [] },
        filters: filters.get(index) ?? [],
        qdiscs: qdiscs.get(index) ?? [],
      });
    }
    return chains;
  }

  #readTcx(indexes: readonly number[]): Map<number, Chain['tcx']> {
    const found = new Map<number, Chain['tcx']>();
    const words = new Uint32Array(TCX_BATCH * TCX_WORDS);
    for (let start = 0; this.#hasTcx && start < indexes.length; start += TCX_BATCH) {
      const batch = indexes.slice(start, start + TCX_BATCH);
      if (!this.#readBatch(batch, words)) break;
      let at = 0;
      const side = (): number[] => {
        const count = words[at]!;
        const ids = [...words.subarray(at + 1, at + 1 + count)];
        at += 1 + count;
        return ids;
      };
      for (const index of batch) found.set(index, { ingress: side(), egress: side() });
    }
    return found;
  }

  #readBatch(batch: readonly number[], words: Uint32Array): boolean {
    const { native, netns } = this.#deps;
    const indexes = new Uint8Array(Uint32Array.from(batch).buffer);
    try {
      native.readTcx(netns, indexes, new Uint8Array(words.buffer));
      return true;
    } catch (error) {
      if (!hasCode(error, 'EINVAL')) throw error;
      this.#hasTcx = false;
      return false;
    }
  }

  async #readFilters(
    indexes: ReadonlySet<number>,
  ): Promise<{ qdiscs: readonly Qdisc[]; filters: readonly TcFilter[] }> {
    const { native, hub, netns, clock, onRefused: refused } = this.#deps;
    const fd = native.openNetlink(netns, 0);
    const dumps = new Dumps(clock);
    hub.add(fd, { receive: (bytes) => dumps.receive(bytes), refused });
    const dump = (encode: (sequence: number) => Uint8Array): Promise<readonly TcMessage[]> => {
      const sequence = hub.nextSequence();
      const answer = dumps.expect(sequence);
      native.send(fd, encode(sequence));
      return answer;
    };
    try {
      const told = await dump(encodeQdiscDump);
      const qdiscs = told.flatMap((one) => (one.kind === 'qdisc' ? [one.qdisc] : []));
      const watched = qdiscs.filter(({ ifindex }) => indexes.has(ifindex));
      const filters: TcFilter[] = [];
      for (const { ifindex, parent } of watched.flatMap(parentsOf)) {
        const found = await dump((sequence) => encodeFilterDump(sequence, ifindex, parent));
        // Filters of a block that interfaces share (tc(8)) name the block instead.
        const own = found.flatMap((one) =>
          one.kind === 'filter' ? [{ ...one.filter, ifindex, parent }] : [],
        );
        filters.push(...own.filter(isItself).slice(0, FILTERS_MAX));
      }
      return { qdiscs: watched, filters };
    } finally {
      dumps.close();
      hub.remove(fd);
    }
  }
}

/** Possible parents of filters. A qdisc without a handle was created by default. */
function parentsOf({ ifindex, handle, kind }: Qdisc): { ifindex: number; parent: number }[] {
  if (handle === 0) return [];
  if (handle !== CLSACT_HANDLE) return [{ ifindex, parent: handle }];
  const ingress = { ifindex, parent: CLSACT_INGRESS };
  return kind === 'clsact' ? [ingress, { ifindex, parent: CLSACT_EGRESS }] : [ingress];
}

/** The kernel reports a priority first, and then the filters in it. */
function isItself({ kind, handle }: TcFilter): boolean {
  return kind !== 'bpf' || handle !== 0;
}

/** Collects the answers to one request after another. */
class Dumps {
  readonly #clock: Clock;
  #sequence = 0;
  #messages: TcMessage[] = [];
  #done: PromiseWithResolvers<readonly TcMessage[]> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async expect(sequence: number): Promise<readonly TcMessage[]> {
    const done = Promise.withResolvers<readonly TcMessage[]>();
    const abort = new AbortController();
    this.#sequence = sequence;
    this.#messages = [];
    this.#done = done;
    const late = this.#clock.sleep(DUMP_MS, abort.signal).then(
      () => done.reject(new Error('the kernel does not answer')),
      () => undefined,
    );
    try {
      return await done.promise;
    } finally {
      abort.abort();
      await late;
    }
  }

  receive(bytes: Uint8Array): void {
    if (this.#done === undefined) return;
    if (bytes.length === 0) {
      this.#done.reject(new Error('the answer was too long'));
      return;
    }
    for (const message of decodeTrafficControl(bytes)) {
      if (message.sequence !== this.#sequence) continue;
      // An interface or a qdisc that went away meanwhile has no filters: this is not a failure.
      if (message.kind === 'done') this.#done.resolve(this.#messages);
      else this.#messages.push(message);
    }
  }

  close(): void {
    this.#done?.resolve([]);
  }
}
