import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Native } from '../../agent/loader/native.ts';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { explain } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ReadHostFile } from '../capabilities.ts';

/** How often what is used up is collected. */
const COLLECT_PERIOD_MS = 1000;

/** V8's garbage collection. */
type Collect = (options: { readonly type: 'minor' | 'major' }) => void;

export interface MemoryDeps {
  readonly clock: Clock;
  readonly exposeCollection: () => Collect;
  readonly native: Pick<Native, 'releasePages' | 'trimHeap'>;
  readonly log: Log;
  readonly read: ReadHostFile;
}

/**
 * The function that --expose-gc would give us. As an option of the executable that would make its
 * code cache one of another program.
 */
export function exposeCollection(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}

/** A mapping of a file whose pages are as they are in the file. */
export interface CleanMapping {
  readonly from: number;
  readonly to: number;
}

/**
 * Lets go of what only the start needed: most pages of the executable and of libraries that are in
 * memory by then are code and data that nobody comes back to. Those that are needed after all are
 * read from the page cache again.
 *
 * From then on, buffers that have been sent are collected soon. V8 by itself would look for them
 * when enough objects have been made, and the way of a flow makes none.
 */
export function keepMemorySmall(deps: MemoryDeps): Component {
  const { clock, native, log, read } = deps;
  let collecting: Disposable | undefined;
  return {
    async start() {
      const collect = deps.exposeCollection();
      collect({ type: 'major' });
      collecting = clock.every(COLLECT_PERIOD_MS, () => {
        collect({ type: 'minor' });
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

/** Of /proc/PID/smaps: mappings of files that nobody may write to, and nobody has written to. */
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
