import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { type ReadHostFile, readHostFile } from './capabilities.ts';

/** What tells how the program was started. */
export interface Origin {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of the parent process. */
  readonly ppid: number;
  readonly read: ReadHostFile;
  /** Where a link of /proc leads; undefined when nobody may know. */
  readonly link: (path: string) => string | undefined;
}

/**
 * True when whoever started the program wants it to survive the end of the terminal: by nohup(1),
 * or from a process that ignores SIGHUP itself.
 *
 * A child inherits that a signal is ignored, but Node makes it the default again before any code of
 * ours runs, and the kernel remembers no earlier disposition. So the traces of it are looked for:
 * the parent, which still ignores it (`trap '' HUP`, a script under nohup); the names that shells
 * and sudo leave of the command that they ran; and the standard input of GNU's nohup, which
 * replaces a terminal by a /dev/null that can only be written to.
 */
export function isHangupIgnored({ env, ppid, read, link }: Origin): boolean {
  return (
    ignoresHangup(read(`/proc/${ppid}/status`)) ||
    isNohup(env._) ||
    isNohup(env.SUDO_COMMAND?.split(' ', 1)[0]) ||
    (link('/proc/self/fd/0') === '/dev/null' && isWriteOnly(read('/proc/self/fdinfo/0')))
  );
}

export function originOf({ env, ppid }: Pick<NodeJS.Process, 'env' | 'ppid'>): Origin {
  return {
    env,
    ppid,
    read: readHostFile,
    link(path) {
      try {
        return readlinkSync(path);
      } catch {
        return undefined;
      }
    },
  };
}

function isNohup(command: string | undefined): boolean {
  return command !== undefined && basename(command) === 'nohup';
}

/** The first bit is the first signal, which is SIGHUP. */
function ignoresHangup(status: string | undefined): boolean {
  const mask = /^SigIgn:\s*[0-9a-f]*([0-9a-f])$/m.exec(status ?? '')?.[1];
  return mask !== undefined && (Number.parseInt(mask, 16) & 1) === 1;
}

/** O_ACCMODE and O_WRONLY of fcntl.h; the kernel writes flags in octal. */
function isWriteOnly(fdinfo: string | undefined): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(fdinfo ?? '')?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & 3) === 1;
}
