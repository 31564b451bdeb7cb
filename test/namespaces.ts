import { spawnSync } from 'node:child_process';
import { ForksPoolWorker, type PoolRunnerInitializer } from 'vitest/node';

/**
 * Command that runs another in mount, network and PID namespaces of its own. A capture finds the
 * network namespaces of all processes in /proc and of all names in /run/netns; these are empty
 * there. The shell is process 1: it reaps orphans, and every process ends with it.
 */
const UNSHARE: readonly string[] = [
  ...['unshare', '--mount', '--net', '--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c'],
  'mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up || exit; ' +
    '"$0" "$@"; exit $?',
];

/** Whether this process may make namespaces; a test that needs them skips itself otherwise. */
export function canUnshare(): boolean {
  const [command, ...args] = UNSHARE;
  return spawnSync(command!, [...args, 'true']).status === 0;
}

class NamespacedWorker extends ForksPoolWorker {
  override start(): Promise<void> {
    const node = process.execPath;
    const { execArgv } = this;
    const [command, ...args] = UNSHARE;
    // `fork()` runs `process.execPath`, and puts `execArgv` before the script's path.
    process.execPath = command!;
    this.execArgv = [...args, node, ...execArgv];
    try {
      return super.start();
    } finally {
      process.execPath = node;
      this.execArgv = execArgv;
    }
  }
}

/** Vitest's `forks` (one process per test file), with namespaces for each process. */
export const namespacedForks: PoolRunnerInitializer = {
  name: 'namespaced-forks',
  createPoolWorker: (options) => new NamespacedWorker(options),
};
