import type { ErrorRow } from '../../base/errors.ts';
import { addressBytes, loadAddress, word32 } from './bytes.ts';
import { ROUTE, ROUTE_NUMBERS } from './columns.ts';
import { SFLOW_ERRORS } from './errors.ts';
import { Numbers } from './numbers.ts';

/** Most numbers of an AS path that are kept, segments put together. */
export const AS_PATH_MAX = 128;
/** Most BGP communities of a flow that are kept. */
export const COMMUNITIES_MAX = 128;

/** Places of the next hops in `Route.words`. */
export const ROUTER_WORDS = 0;
export const BGP_WORDS = 4;

const WORD_BYTES = 4;

/** Numbers of a list, cut to its bound. */
export class BoundedList {
  readonly values: Uint32Array;
  count = 0;
  /** Numbers that found no room. */
  cut = 0;

  constructor(most: number) {
    this.values = new Uint32Array(most);
  }

  clear(): void {
    this.count = 0;
    this.cut = 0;
  }

  /** Adds `count` words, which are there. */
  add(bytes: Uint8Array, at: number, count: number): void {
    const kept = Math.min(count, this.values.length - this.count);
    for (let i = 0; i < kept; i++) this.values[this.count++] = word32(bytes, at + i * WORD_BYTES);
    this.cut += count - kept;
  }
}

/** How the packet was routed, in the form of columns. One object serves all samples. */
export class Route {
  readonly numbers = new Numbers(ROUTE_NUMBERS);
  /** Next hops in the form of the intern table: the router's, that of BGP. */
  readonly words = new Uint32Array(8);
  hasNextHop = false;
  hasBgpNextHop = false;
  readonly asPath = new BoundedList(AS_PATH_MAX);
  readonly communities = new BoundedList(COMMUNITIES_MAX);

  clear(): void {
    this.numbers.clear();
    this.hasNextHop = false;
    this.hasBgpNextHop = false;
    this.asPath.clear();
    this.communities.clear();
  }

  /** Next hop, lengths of the prefixes of source and destination. */
  readRouter(bytes: Uint8Array, at: number, end: number): ErrorRow | undefined {
    const length = addressBytes(word32(bytes, at));
    if (length === -1) return SFLOW_ERRORS.address;
    const masks = at + WORD_BYTES + length;
    if (end - masks < 2 * WORD_BYTES) return SFLOW_ERRORS.truncated;
    this.hasNextHop = length > 0;
    loadAddress(this.words, ROUTER_WORDS, bytes, at + WORD_BYTES, length);
    this.numbers.set(ROUTE.SrcNet, word32(bytes, masks));
    this.numbers.set(ROUTE.DstNet, word32(bytes, masks + WORD_BYTES));
    return undefined;
  }

  /**
   * Next hop; the router's AS, that of the source, that of the source's peer; segments of the path
   * to the destination; communities; local preference.
   */
  readGateway(bytes: Uint8Array, at: number, end: number): ErrorRow | undefined {
    const length = addressBytes(word32(bytes, at));
    if (length === -1) return SFLOW_ERRORS.address;
    const systems = at + WORD_BYTES + length;
    if (end - systems < 4 * WORD_BYTES) return SFLOW_ERRORS.truncated;
    this.hasBgpNextHop = length > 0;
    loadAddress(this.words, BGP_WORDS, bytes, at + WORD_BYTES, length);
    this.numbers.set(ROUTE.SrcAs, word32(bytes, systems + WORD_BYTES));
    const path = systems + 4 * WORD_BYTES;
    const behind = this.#readPath(bytes, path, end, word32(bytes, path - WORD_BYTES));
    if (behind === -1 || end - behind < WORD_BYTES) return SFLOW_ERRORS.truncated;
    const count = word32(bytes, behind);
    const first = behind + WORD_BYTES;
    if (count * WORD_BYTES > end - first) return SFLOW_ERRORS.truncated;
    this.communities.add(bytes, first, count);
    return undefined;
  }

  /** Segments, each with a type and AS numbers; where they end, -1: behind the record. */
  #readPath(bytes: Uint8Array, start: number, end: number, segments: number): number {
    const { numbers } = this;
    let at = start;
    for (let left = segments; left > 0; left--) {
      if (end - at < 2 * WORD_BYTES) return -1;
      const count = word32(bytes, at + WORD_BYTES);
      at += 2 * WORD_BYTES;
      if (count * WORD_BYTES > end - at) return -1;
      if (count === 0) continue;
      if (!numbers.has(ROUTE.NextHopAs)) numbers.set(ROUTE.NextHopAs, word32(bytes, at));
      this.asPath.add(bytes, at, count);
      at += count * WORD_BYTES;
      numbers.set(ROUTE.DstAs, word32(bytes, at - WORD_BYTES));
    }
    return at;
  }
}
