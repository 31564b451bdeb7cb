import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Native } from '../../agent/loader/native.ts';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { explain } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ReadHostFile } from '../capabilities.ts';

/** How often used buffers are collected. */
const COLLECT_PERIOD_MS = 1000;
/** Growth since the last whole collection that makes the next one worth its time. */
const GROWTH_MAX = 0.2;
const GROWTH_MIN_BYTES = 6 * 2 ** 20;
/** Room in pages of the heap that is worth the time to join them. */
const ROOM_MAX_BYTES = 8 * 2 ** 20;

/** `last-resort` joins pages of the heap that have room, and takes more than twice the time. */
interface Collection {
  readonly type: 'minor' | 'major';
  readonly flavor?: 'last-resort';
}

/** V8's heap. */
export interface Heap {
  collect(collection: Collection): void;
  /** Bytes of its pages, and of buffers outside of them. */
  bytes(): number;
  /** Bytes that are free in its pages. */
  roomBytes(): number;
}

export interface MemoryDeps {
  readonly clock: Clock;
  readonly exposeCollection: () => Heap;
  readonly native: Pick<Native, 'releasePages' | 'trimHeap'>;
  readonly log: Log;
  readonly read: ReadHostFile;
}

/**
 * The function that --expose-gc would provide. As an option of the executable, that flag would make
 * its code cache invalid.
 */
export function exposeCollection(): Heap {
  setFlagsFromString('--expose-gc');
  return {
    collect: runInNewContext('gc') as Heap['collect'],
    bytes() {
      const { total_heap_size: heap, external_memory: buffers } = getHeapStatistics();
      return heap + buffers;
    },
    roomBytes() {
      const { total_heap_size: heap, used_heap_size: used } = getHeapStatistics();
      return heap - used;
    },
  };
}

/** A mapping of a file whose pages are unchanged. */
export interface CleanMapping {
  readonly from: number;
  readonly to: number;
}

/**
 * Releases memory that only the start needed: most pages of the executable and of libraries that
 * are in memory by then are code and data that is not used again. Pages that are needed after all
 * are read from the page cache again.
 *
 * From then on, buffers that have been sent are collected soon. V8 by itself collects them only
 * after enough objects have been allocated, and processing a flow allocates none. What outlives
 * that is collected once it has grown by a part of the whole; V8 would let it double.
 */
export function keepMemorySmall(deps: MemoryDeps): Component {
  const { clock, native, log, read } = deps;
  let collecting: Disposable | undefined;
  return {
    async start() {
      const heap = deps.exposeCollection();
      let limitBytes = collectAll(heap);
      collecting = clock.every(COLLECT_PERIOD_MS, () => {
        heap.collect({ type: 'minor' });
        if (heap.bytes() > limitBytes) limitBytes = collectAll(heap);
        native.trimHeap();
      });
      try {
        for (const { from, to } of cleanMappings(read('/proc/self/smaps') ?? '')) {
          native.releasePages(from, to);
        }
        native.trimHeap();
      } catch (error) {
        log.debug({ error: explain(error) }, 'memory of the start is kept');
      }
    },
    async stop() {
      collecting?.[Symbol.dispose]();
    },
  };
}

/** Returns the bytes from which on the next collection is due. */
function collectAll(heap: Heap): number {
  heap.collect({ type: 'major' });
  if (heap.roomBytes() > ROOM_MAX_BYTES) heap.collect({ type: 'major', flavor: 'last-resort' });
  const bytes = heap.bytes();
  return bytes + Math.max(bytes * GROWTH_MAX, GROWTH_MIN_BYTES);
}

/** Mappings, from /proc/PID/smaps, of files that are not writable and have not been written to. */
export function cleanMappings(smaps: string): readonly CleanMapping[] {
  const mappings: CleanMapping[] = [];
  let current: CleanMapping | undefined;
  for (const line of smaps.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)$/.exec(line);
    if (head !== null) {
      const isReadOnlyFile = head[4]!.startsWith('/') && !head[3]!.includes('w');
      const from = Number.parseInt(head[1]!, 16);
      const to = Number.parseInt(head[2]!, 16);
      current = isReadOnlyFile ? { from, to } : undefined;
    } else if (current !== undefined && /^Anonymous: +0 kB$/.test(line)) {
      mappings.push(current);
    }
  }
  return mappings;
}
