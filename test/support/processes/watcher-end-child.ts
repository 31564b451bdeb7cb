import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Loaded before the program (`node --import`): SIGUSR2 takes the epoll descriptor away from the
 * thread that waits for messages of the kernel, so that its next wait fails.
 */
process.on('SIGUSR2', () => {
  const watcher = readdirSync('/proc/self/fd').find(isWatcher);
  if (watcher === undefined) throw new Error('no thread waits for the kernel');
  closeSync(Number(watcher));
});

/** Only the thread's set has an eventfd under the number 0: the request to end (`STOP_ID`). */
function isWatcher(fd: string): boolean {
  if (linkOf(fd) !== 'anon_inode:[eventpoll]') return false;
  const members = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').matchAll(
    /^tfd: +(\d+) events: +\w+ data: +(\w+)/gm,
  );
  return [...members].some(([, member = '', data]) => {
    return data === '0' && linkOf(member).startsWith('anon_inode:[eventfd');
  });
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
