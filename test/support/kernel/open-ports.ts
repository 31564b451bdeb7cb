import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTENING = '0A';

/** Ports on which a process receives from others: `udp 2055`, `tcp 9001`. IPv4 and IPv6. */
export function openPorts(pid: number): readonly string[] {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        // Closed meanwhile.
        return [];
      }
    }),
  );
  const ports = ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((table) => {
    const [, ...lines] = readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n');
    return lines.flatMap((line) => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const isOpen = table.startsWith('udp') || state === LISTENING;
      const port = Number.parseInt(local!.split(':')[1]!, 16);
      return isOpen && own.has(inode!) ? [`${table.slice(0, 3)} ${port}`] : [];
    });
  });
  return [...new Set(ports)].sort();
}
