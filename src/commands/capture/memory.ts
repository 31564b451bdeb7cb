import type { Native } from '../../agent/loader/native.ts';
import type { Component } from '../../base/component.ts';
import { explain } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ReadHostFile } from '../capabilities.ts';

export interface MemoryDeps {
  readonly native: Pick<Native, 'releasePages' | 'trimHeap'>;
  readonly log: Log;
  readonly read: ReadHostFile;
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
 */
export function releaseStartMemory({ native, log, read }: MemoryDeps): Component {
  return {
    async start() {
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
      // There is nothing to undo.
    },
  };
}

/** Of /proc/PID/smaps: mappings of files that nobody may write to, and nobody has written to. */
export function cleanMappings(smaps: string): readonly CleanMapping[] {
  const mappings: CleanMapping[] = [];
  let current: CleanMapping | undefined;
  for (const line of smaps.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ +(\/.*)?$/.exec(line);
    if (head !== null) {
      const isReadOnlyFile = head[4] !== undefined && !head[3]!.includes('w');
      const from = Number.parseInt(head[1]!, 16);
      const to = Number.parseInt(head[2]!, 16);
      current = isReadOnlyFile ? { from, to } : undefined;
    } else if (current !== undefined && /^Anonymous: +0 kB$/.test(line)) {
      mappings.push(current);
    }
  }
  return mappings;
}
