import { closeSync, constants, openSync, readSync } from 'node:fs';
import { hasCode, NetobservError } from '../base/errors.ts';
import { TELEMETRY_ERRORS } from './errors.ts';

/** Certificates, keys and tokens are small; anything larger is a mistake such as a wrong path. */
export const SMALL_FILE_MAX_BYTES = 1 << 20;

/** How long the writer of a pipe, such as `--token-file <(command)`, has for each piece. */
const PIPE_WAIT_MS = 5000;
const PIPE_LOOK_MS = 10;

/**
 * The contents of a small file, which may be a pipe. Waiting and reading are bounded: a FIFO
 * without a writer is empty, and an endless device is refused. Callers that must not wait set
 * `waitMs` to 0.
 */
export function readSmallFile(path: string, waitMs = PIPE_WAIT_MS): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return readAll(fd, path, waitMs);
  } finally {
    closeSync(fd);
  }
}

function readAll(fd: number, path: string, waitMs: number): Buffer {
  const buffer = Buffer.alloc(SMALL_FILE_MAX_BYTES + 1);
  let length = 0;
  for (;;) {
    const count = readPiece(fd, buffer.subarray(length), path, waitMs);
    length += count;
    if (count === 0) return Buffer.from(buffer.subarray(0, length));
    if (length > SMALL_FILE_MAX_BYTES) {
      throw new NetobservError(
        TELEMETRY_ERRORS.file,
        `${path} is larger than ${SMALL_FILE_MAX_BYTES} bytes: is it the right file?`,
      );
    }
  }
}

function readPiece(fd: number, into: Buffer, path: string, waitMs: number): number {
  const lookMax = Math.floor(waitMs / PIPE_LOOK_MS);
  for (let look = 0; ; look++) {
    try {
      return readSync(fd, into);
    } catch (error) {
      // A pipe that a writer holds open without having written.
      if (!hasCode(error, 'EAGAIN')) throw error;
    }
    if (look >= lookMax) {
      throw new NetobservError(
        TELEMETRY_ERRORS.file,
        `${path} is a pipe into which nobody wrote for ${waitMs} ms: it takes a file, or the end ` +
          'of the pipe by then',
      );
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_LOOK_MS);
  }
}
