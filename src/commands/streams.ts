import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { FileOutput } from '../telemetry/file-output.ts';
import { LossyOutput, type Terminal } from '../telemetry/lossy-output.ts';

const STDOUT_FD = 1;
const STDERR_FD = 2;

type NodeProcess = Pick<NodeJS.Process, 'stdout' | 'stderr'>;

/**
 * Standard output and error, to which writing neither blocks nor throws. A terminal, a pipe or a
 * socket that takes nothing makes what is written wait in memory; a file answers each write.
 */
export function standardStreams(process: NodeProcess): {
  readonly stdout: Terminal;
  readonly stderr: LossyOutput;
} {
  const stdout = isFile(STDOUT_FD) ? new FileOutput(STDOUT_FD) : neverBlocking(process.stdout);
  const stderr = isFile(STDERR_FD) ? new FileOutput(STDERR_FD) : neverBlocking(process.stderr);
  return { stdout, stderr: new LossyOutput(stderr) };
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
