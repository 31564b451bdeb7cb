import { Pool } from 'undici';
import { explain, NetobservError } from '../../base/errors.ts';
import { type RenewalReport, RenewedFiles } from '../../telemetry/renewed-files.ts';
import { NET_ERRORS } from '../errors.ts';

/** Paths of PEM files. */
export interface HttpTlsFiles {
  /** Authorities for the server's certificate. Default: those of Node. */
  readonly caPath?: string;
  /** The client's own certificate and key, for servers that request one. */
  readonly certPath?: string;
  readonly keyPath?: string;
  readonly insecureSkipVerify?: boolean;
}

export interface HttpClientConfig {
  /** `https://host:port/path?query`. */
  readonly url: string;
  readonly tls?: HttpTlsFiles;
  readonly connectionsMax: number;
  readonly answerTimeoutMs: number;
  /**
   * The receiver treats a repeated request as one. A request without an answer is then sent again;
   * otherwise it is counted as unanswered.
   */
  readonly isIdempotent: boolean;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Most bytes of an answer that are kept. */
const ANSWER_BYTES_MAX = 2048;
/** Most characters of an answer in an error message. */
const ANSWER_SHOWN_MAX = 400;
/** Longest wait that a server may request. */
const RETRY_AFTER_MAX_MS = 60_000;
/** The server took nothing, and may accept it later: RFC 9110, and RFC 6585 for 429. */
const BUSY = new Set([408, 429, 502, 503, 504]);

/** undici's codes of failures before any byte of a request was sent. */
const UNSENT = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

export interface HttpRequest {
  readonly method: 'POST' | 'PUT';
  /** Path and query, escaped. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Sends to one server over a bounded pool of connections that are kept alive. */
export class HttpClient {
  readonly #config: HttpClientConfig;
  readonly #path: string;
  readonly #origin: string;
  /** Pools are made again when the files of the certificates are renewed. */
  readonly #pools: RenewedFiles<Pool>;
  #pool: Pool;

  /**
   * Reads the certificates and throws when they cannot be used. Connects with the first request.
   */
  constructor(config: HttpClientConfig, report: RenewalReport) {
    const { origin, pathname, search } = new URL(config.url);
    this.#config = config;
    this.#origin = origin;
    this.#path = `${pathname}${search}`;
    const { caPath, certPath, keyPath } = config.tls ?? {};
    const named = { ca: caPath, cert: certPath, key: keyPath };
    const given = Object.entries(named).filter(([, path]) => path !== undefined);
    this.#pools = new RenewedFiles(
      given.map(([, path]) => path!),
      (contents) => this.#open(Object.fromEntries(given.map(([key], i) => [key, contents[i]]))),
      report,
    );
    this.#pool = this.#pools.current();
  }

  /** Posts to the configured path; see `send`. */
  post(
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return this.send({ method: 'POST', path: this.#path, headers, body }, signal);
  }

  /** Resolves with the start of the answer of success. Rejects as `Target.send` does. */
  async send(request: HttpRequest, signal: AbortSignal): Promise<Uint8Array> {
    const { path, headers } = request;
    const answer = await this.#newest()
      .request({ ...request, headers: { ...headers }, signal })
      .catch((cause: unknown) => {
        throw this.#failure(cause);
      });
    const start = await startOf(answer.body).catch(() => Buffer.alloc(0));
    const { statusCode, headers: told } = answer;
    if (statusCode >= 200 && statusCode < 300) return start;
    const text = start.toString('utf8').trim().slice(0, ANSWER_SHOWN_MAX);
    throw this.#refusal(path, statusCode, text, retryAfterMs(told['retry-after'], told.date));
  }

  /** Requests in progress fail. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  #newest(): Pool {
    const pool = this.#pools.current();
    if (pool !== this.#pool) {
      // Requests in progress end on the old connections.
      void this.#pool.close().catch(() => undefined);
      this.#pool = pool;
    }
    return pool;
  }

  #open(pem: Readonly<Record<string, string | undefined>>): Pool {
    const { connectionsMax, answerTimeoutMs, tls } = this.#config;
    return new Pool(this.#origin, {
      connections: connectionsMax,
      connectTimeout: CONNECT_TIMEOUT_MS,
      headersTimeout: answerTimeoutMs,
      bodyTimeout: answerTimeoutMs,
      connect: { ...pem, rejectUnauthorized: tls?.insecureSkipVerify !== true },
    });
  }

  #failure(cause: unknown): NetobservError {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const what = `${this.#origin}: ${explain(cause)}`;
    if (UNSENT.has(code) || code.startsWith('ERR_TLS') || code.includes('CERT')) {
      return new NetobservError(NET_ERRORS.connect, what, { cause, retryable: true });
    }
    return this.#unanswered(what, cause);
  }

  #refusal(
    path: string,
    status: number,
    text: string,
    retryAfterMs: number | undefined,
  ): NetobservError {
    const what = `${this.#origin}${path}: HTTP ${status}${text === '' ? '' : `: ${text}`}`;
    if (BUSY.has(status)) {
      const details = { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
      return new NetobservError(NET_ERRORS.send, what, { details, retryable: true });
    }
    if (status >= 500) return this.#unanswered(what, undefined);
    return new NetobservError(NET_ERRORS.refused, what, { details: { status } });
  }

  /** The server may have received the request. */
  #unanswered(what: string, cause: unknown): NetobservError {
    const { isIdempotent } = this.#config;
    const code = isIdempotent ? NET_ERRORS.send : NET_ERRORS.unanswered;
    return new NetobservError(code, what, { cause, retryable: isIdempotent });
  }
}

/** Reads to the end, so that the connection can be used again, and keeps the start. */
async function startOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    if (length < ANSWER_BYTES_MAX) parts.push(part.subarray(0, ANSWER_BYTES_MAX - length));
    length += part.length;
  }
  return Buffer.concat(parts);
}

/**
 * The wait of `Retry-After`: seconds, or a date. The date is compared with the answer's, by the
 * server's own clock; without that, the back-off applies.
 */
function retryAfterMs(header: unknown, date: unknown): number | undefined {
  if (typeof header !== 'string') return undefined;
  const waitMs = /^\d+$/.test(header) ? Number(header) * 1000 : timeOf(header) - timeOf(date);
  if (Number.isNaN(waitMs)) return undefined;
  return Math.min(Math.max(waitMs, 0), RETRY_AFTER_MAX_MS);
}

/** A date of HTTP; NaN: it is another text, or none. */
function timeOf(date: unknown): number {
  return typeof date === 'string' && date.endsWith(' GMT') ? Date.parse(date) : Number.NaN;
}
