import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { explain, NetobservError } from '../base/errors.ts';
import { TELEMETRY_ERRORS } from './errors.ts';
import { type RenewalReport, RenewedFiles } from './renewed-files.ts';

const TOKEN_MIN_CHARS = 16;
/** Tokens of service accounts have about a thousand. */
const TOKEN_MAX_CHARS = 4096;

/**
 * Whether a request has the token of a file, as `Authorization: Bearer <token>`. The file is read
 * again when it changes; a token that cannot be used leaves the old one in use.
 */
export function tokenGuard(
  path: string,
  report: RenewalReport,
): (request: IncomingMessage) => boolean {
  const digest = tokenDigest(path, report);
  return ({ headers }) => {
    const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
    // Digests always have the same length, so that the comparison's time reveals nothing.
    return bearer !== undefined && timingSafeEqual(sha256(bearer), digest.current());
  };
}

function tokenDigest(path: string, report: RenewalReport): RenewedFiles<Buffer> {
  try {
    return new RenewedFiles([path], ([content = '']) => sha256(tokenIn(content)), report);
  } catch (cause) {
    const problem = `no token can be read from ${path}: ${explain(cause)}`;
    throw new NetobservError(TELEMETRY_ERRORS.token, problem, { cause, details: { path } });
  }
}

function tokenIn(content: string): string {
  const token = content.replace(/\r?\n$/, '');
  const { length } = token;
  if (length >= TOKEN_MIN_CHARS && length <= TOKEN_MAX_CHARS && /^[\x21-\x7e]+$/.test(token)) {
    return token;
  }
  throw new Error(
    `it takes one line of ${TOKEN_MIN_CHARS} to ${TOKEN_MAX_CHARS} printable ASCII characters ` +
      'without spaces',
  );
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
