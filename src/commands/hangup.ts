import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { type ReadHostFile, readHostFile } from './capabilities.ts';

/** Facts that show how the program was started. */
export interface Origin {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** PID of the parent process. */
  readonly ppid: number;
  readonly read: ReadHostFile;
  /** Target of a link in /proc; undefined when it may not be read. */
  readonly link: (path: string) => string | undefined;
}

/**
 * True when the program was started to survive the end of the terminal: by nohup(1), or from a
 * process that ignores SIGHUP itself.
 *
 * A child inherits that a signal is ignored, but Node restores the default before any code of ours
 * runs, and the kernel does not remember the earlier disposition. So this looks for traces of it:
 * the parent, which still ignores it (`trap '' HUP`, a script under nohup); the names that shells
 * and sudo leave of the command that they ran; and the standard input of GNU's nohup, which
 * replaces a terminal with a /dev/null that is open for writing only.
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

/** The lowest bit is signal 1, SIGHUP. */
function ignoresHangup(status: string | undefined): boolean {
  const mask = /^SigIgn:\s*[0-9a-f]*([0-9a-f])$/m.exec(status ?? '')?.[1];
  return mask !== undefined && (Number.parseInt(mask, 16) & 1) === 1;
}

/** O_ACCMODE and O_WRONLY of fcntl.h; the kernel writes flags in octal. */
function isWriteOnly(fdinfo: string | undefined): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(fdinfo ?? '')?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & 3) === 1;
}
