import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * For `sh -c`, in a separate mount namespace: makes everything read-only except NETOBSERV_CACHE_DIR
 * (a new folder of USER_ID), checks this, and executes the command in its arguments.
 */
export const READ_ONLY = `
set -e
mount --make-rprivate /
mount -t tmpfs -o "mode=0700,uid=$USER_ID" tmpfs "$NETOBSERV_CACHE_DIR"
while read -r _ place type _; do
  case "$place" in /proc*|/sys*|/dev*|"$NETOBSERV_CACHE_DIR") continue;; esac
  mount -o remount,bind,ro "$place"
done < /proc/self/mounts
for place in / /tmp /var /run; do
  if touch "$place/writable" 2>/dev/null; then echo "$place can be written to"; exit 1; fi
done
exec "$@"
`;

/** A command that runs its arguments as root with only these capabilities. */
export function rootWith(capabilities: readonly string[]): readonly string[] {
  const set = ['-all', ...capabilities.map((name) => `+${shortName(name)}`)].join();
  return ['setpriv', `--inh-caps=${set}`, `--bounding-set=${set}`];
}

/** Like `rootWith`, as another user. */
export function userWith(id: number, capabilities: readonly string[]): readonly string[] {
  const set = ['-all', ...capabilities.map((name) => `+${shortName(name)}`)].join();
  const who = ['--reuid', `${id}`, '--regid', `${id}`, '--clear-groups'];
  return [...rootWith(capabilities), ...who, `--ambient-caps=${set}`];
}

/** `CAP_NET_ADMIN` is setpriv's `net_admin`. */
function shortName(capability: string): string {
  return capability.replace(/^CAP_/, '').toLowerCase();
}

export type CapabilitySet = 'CapPrm' | 'CapEff' | 'CapInh' | 'CapBnd' | 'CapAmb';

/** A set of all threads of the process; throws if they differ, or may gain more by exec. */
export function capabilitiesOf(pid: number, set: CapabilitySet): bigint {
  const folder = `/proc/${pid}/task`;
  const found = readdirSync(folder).map((thread) => {
    const text = readFileSync(join(folder, thread, 'status'), 'utf8');
    if (!/^NoNewPrivs:\t1$/m.test(text)) throw new Error(`thread ${thread} may get new privileges`);
    return new RegExp(`^${set}:\\t(\\w+)$`, 'm').exec(text)![1]!;
  });
  if (new Set(found).size !== 1) throw new Error(`${set} of threads differ: ${found.join(', ')}`);
  return BigInt(`0x${found[0]}`);
}
