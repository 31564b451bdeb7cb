import { readdirSync, readlinkSync } from 'node:fs';

/**
 * This process's open sockets, namespaces and BPF objects, by kind: their numbers differ from run
 * to run.
 */
export function openDescriptors(): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const fd of readdirSync('/proc/self/fd')) {
    let target: string;
    try {
      target = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor used to read the folder itself.
      continue;
    }
    const kind = target.replace(/[[\d\]]+$/, '');
    if (/socket|net:|bpf/.test(kind)) kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}
