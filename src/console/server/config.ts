import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasCode, NetobservError } from '../../base/errors.ts';
import type { ListenAddress } from '../../base/listen.ts';
import { makeFolder } from '../../config/folders.ts';
import { type RenewalReport, RenewedFiles } from '../../telemetry/renewed-files.ts';
import type { RenewedCertificate } from '../../telemetry/server-tls.ts';
import type { FrontendConfig, QuickFilter } from '../api.ts';
import { START_ERRORS, startError } from './errors.ts';

/** Facts for the front end; everything else in its configuration comes from the field table. */
export type FrontendFacts = Pick<FrontendConfig, 'recordTypes' | 'sampling' | 'portNaming'> & {
  readonly quickFilters: readonly QuickFilter[];
};

/** Every limit of the server, so that a test can lower one. */
export interface ConsoleLimits {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** After this many requests, a client must reconnect. */
  readonly requestsPerConnectionMax: number;
  readonly headersMaxBytes: number;
  readonly bodyMaxBytes: number;
  /** From the first byte of a request to its last. */
  readonly requestTimeoutMs: number;
  /** A socket without traffic for this long is closed, even in the middle of an answer. */
  readonly idleTimeoutMs: number;
  readonly stopGraceMs: number;
  readonly concurrentQueriesMax: number;
  readonly queuedQueriesMax: number;
  /** Includes waiting for a slot. */
  readonly queryTimeoutMs: number;
  /** Concurrent record answers: each holds its rows until they are sent. */
  readonly recordAnswersMax: number;
  readonly liveClientsMax: number;
  readonly liveTickMs: number;
  readonly liveHeartbeatMs: number;
  /** A live stream ends after this long; a browser that still wants it reconnects. */
  readonly liveStreamMaxMs: number;
  /** Unsent bytes at which a live client misses ticks. */
  readonly liveBufferBytes: number;
  /** Ticks missed in a row after which a live client is disconnected. */
  readonly liveMissedTicksMax: number;
  readonly loginFailuresMax: number;
  readonly loginWindowMs: number;
  readonly sessionMs: number;
}

export const DEFAULT_LIMITS: ConsoleLimits = {
  connectionsMax: 256,
  // A proxy has one address, and two connections for each of the 64 browsers that follow live.
  connectionsPerAddressMax: 192,
  requestsPerConnectionMax: 10_000,
  headersMaxBytes: 64 * 1024,
  bodyMaxBytes: 8 * 1024,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  stopGraceMs: 2000,
  concurrentQueriesMax: 4,
  queuedQueriesMax: 64,
  queryTimeoutMs: 30_000,
  recordAnswersMax: 16,
  liveClientsMax: 64,
  liveTickMs: 1000,
  liveHeartbeatMs: 15_000,
  liveStreamMaxMs: 600_000,
  liveBufferBytes: 16 * 1024,
  liveMissedTicksMax: 30,
  loginFailuresMax: 10,
  loginWindowMs: 60_000,
  sessionMs: 12 * 3_600_000,
};

export interface ConsoleConfig {
  readonly listen: ListenAddress;
  /** The current token: required for any address but loopback. */
  readonly token?: () => string;
  /** Without it the console speaks plain HTTP. */
  readonly tls?: RenewedCertificate;
  /** Folder of the built front end; without it only the API is served. */
  readonly webRoot?: string;
  /** Names besides the bound one that browsers may use to reach the console. */
  readonly allowedHosts: readonly string[];
  readonly frontend: FrontendFacts;
  readonly limits: ConsoleLimits;
}

/** A shorter token could be guessed in spite of the rate limit. */
const TOKEN_MIN_CHARS = 16;
const TOKEN_MAX_CHARS = 1024;

/**
 * The token in a file: its only line, which may end in a newline. The file is checked whenever a
 * token is compared; new contents that are not a token leave the old one in place.
 */
export function watchToken(path: string, report: RenewalReport): () => string {
  try {
    const file = new RenewedFiles([path], ([content = '']) => tokenIn(content, path), report);
    return () => file.current();
  } catch (cause) {
    if (cause instanceof NetobservError) throw cause;
    throw startError(
      START_ERRORS.tokenFile,
      `cannot read the token file ${path}; --token-file takes a readable file with one line`,
      cause,
    );
  }
}

function tokenIn(content: string, path: string): string {
  const token = content.replace(/\r?\n$/, '');
  if (
    token.length < TOKEN_MIN_CHARS ||
    token.length > TOKEN_MAX_CHARS ||
    !/^[\x21-\x7e]+$/.test(token)
  ) {
    throw startError(
      START_ERRORS.tokenFile,
      `the token in ${path} must be one line of ${TOKEN_MIN_CHARS} to ${TOKEN_MAX_CHARS} printable ` +
        'ASCII characters without spaces; "openssl rand -hex 32" makes a good one',
    );
  }
  return token;
}

const TOKEN_BYTES = 32;

/** Makes a token file if it is missing; nobody else may read it. */
export function makeTokenFile(path: string): void {
  makeFolder(dirname(path), 0o700);
  try {
    writeFileSync(path, `${randomBytes(TOKEN_BYTES).toString('hex')}\n`, {
      flag: 'wx',
      mode: 0o600,
    });
  } catch (cause) {
    if (hasCode(cause, 'EEXIST')) return;
    throw startError(START_ERRORS.tokenFile, `cannot make the token file ${path}`, cause);
  }
}
