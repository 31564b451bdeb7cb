import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { FileOutput, isRefusal } from '../telemetry/file-output.ts';
import { LossyOutput, type Terminal } from '../telemetry/lossy-output.ts';

const STDOUT_FD = 1;
const STDERR_FD = 2;

/**
 * Standard output and error, to which writing neither blocks nor throws. A terminal, a pipe or a
 * socket that takes nothing makes what is written wait in memory; a file answers each write.
 */
export function standardStreams(process: NodeJS.Process): {
  readonly stdout: Terminal;
  readonly stderr: LossyOutput;
  /** Why standard output is not complete; undefined as long as it is. */
  readonly refusal: () => unknown;
} {
  const stdout = isFile(STDOUT_FD) ? new FileOutput(STDOUT_FD) : neverBlocking(process.stdout);
  const stderr = isFile(STDERR_FD) ? new FileOutput(STDERR_FD) : neverBlocking(process.stderr);
  let refusal: unknown;
  stdout.on('error', (error: Error) => {
    if (isRefusal(error)) refusal ??= error;
    // `netobserv … | head` closes the pipe early; that is no failure. A command that has something
    // to undo listens, too, and ends by itself.
    else if (stdout.listenerCount('error') === 1) process.exit(0);
  });
  return { stdout, stderr: new LossyOutput(stderr), refusal: () => refusal };
}

function isFile(fd: number): boolean {
  const status = fstatSync(fd);
  return status.isFile() || status.isBlockDevice() || (status.isCharacterDevice() && !isatty(fd));
}

/**
 * Node lets writes to a terminal block the whole process. Its descriptor is one that libuv has
 * opened anew, so the mode of the shell's own stays as it is.
 */
function neverBlocking(stream: NodeJS.WriteStream): Terminal {
  const { _handle: handle } = stream as NodeJS.WriteStream & {
    readonly _handle?: { setBlocking?(isBlocking: boolean): void };
  };
  if (stream.isTTY) handle?.setBlocking?.(false);
  return stream;
}
