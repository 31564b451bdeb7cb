import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { FileOutput, isRefusal } from '../telemetry/file-output.ts';
import { LossyOutput, type Terminal } from '../telemetry/lossy-output.ts';

const STDOUT_FD = 1;
const STDERR_FD = 2;

/**
 * Standard output and error. Writing to them neither blocks nor throws. When a terminal, a pipe or
 * a socket takes nothing, the text waits in memory; a file answers each write.
 */
export function standardStreams(process: NodeJS.Process): {
  readonly stdout: Terminal;
  readonly stderr: LossyOutput;
  /** Why standard output is incomplete; undefined while it is complete. */
  readonly refusal: () => unknown;
} {
  const stdout = isFile(STDOUT_FD) ? new FileOutput(STDOUT_FD) : neverBlocking(process.stdout);
  const stderr = isFile(STDERR_FD) ? new FileOutput(STDERR_FD) : neverBlocking(process.stderr);
  let refusal: unknown;
  stdout.on('error', (error: Error) => {
    if (isRefusal(error)) refusal ??= error;
    // `netobserv … | head` closes the pipe early; that is not a failure. A command that must clean
    // up listens, too, and ends by itself.
    else if (stdout.listenerCount('error') === 1) process.exit(0);
  });
  return { stdout, stderr: new LossyOutput(stderr), refusal: () => refusal };
}

function isFile(fd: number): boolean {
  const status = fstatSync(fd);
  return status.isFile() || status.isBlockDevice() || (status.isCharacterDevice() && !isatty(fd));
}

/**
 * By default, writes to a terminal block the whole Node process. libuv has opened its own
 * descriptor of the terminal, so the mode of the shell's descriptor does not change.
 */
function neverBlocking(stream: NodeJS.WriteStream): Terminal {
  const { _handle: handle } = stream as NodeJS.WriteStream & {
    readonly _handle?: { setBlocking?(isBlocking: boolean): void };
  };
  if (stream.isTTY) handle?.setBlocking?.(false);
  return stream;
}
