import { Pool } from 'undici';
import { explain, NetobservError } from '../base/errors.ts';
import type { KubeAccess, KubeTls } from './credentials.ts';
import { KUBE_ERRORS } from './errors.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const HEADERS_TIMEOUT_MS = 60_000;
/** Probes of an idle connection: load balancers drop idle ones after a minute. */
const KEEP_ALIVE_MS = 30_000;
/** One watch per resource, and a list beside. */
const CONNECTIONS_MAX = 16;
/** Most bytes of a refusal that are kept for its message. */
const REFUSAL_BYTES_MAX = 2048;
/** Longest wait that a server may request. */
const RETRY_AFTER_MAX_MS = 120_000;
const CREATED = 201;
const GONE = 410;

export interface KubeRequest {
  /** Default: GET. */
  readonly method?: 'GET' | 'POST' | 'PUT';
  /** JSON. */
  readonly body?: string;
  /** `/api/v1/pods?limit=500`. */
  readonly path: string;
  readonly accept: string;
  /** Without a byte for this long, the answer fails, milliseconds. */
  readonly silenceMs: number;
}

/** Talks to one API server, over a bounded pool of connections. */
export class KubeClient {
  readonly #access: KubeAccess;
  readonly #basePath: string;
  #pool: Pool | undefined;
  #tls = '';

  constructor(access: KubeAccess) {
    this.#access = access;
    const { pathname } = new URL(access.server);
    this.#basePath = pathname === '/' ? '' : pathname;
  }

  /**
   * The bytes of an answer; reading them may reject with any error. Rejects with `connect`, with
   * `expired` for 410, and with `refused` for other statuses; `details` has the `status` and the
   * `retryAfterMs`.
   */
  async open(request: KubeRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const { server } = this.#access;
    const answer = await this.#send(request, signal).catch((cause: unknown) => {
      throw new NetobservError(KUBE_ERRORS.connect, `${server}: ${explain(cause)}`, {
        cause,
        retryable: true,
      });
    });
    const { statusCode, headers, body } = answer;
    if (statusCode === 200 || statusCode === CREATED) return body;
    const text = await startOf(body);
    throw refusal(statusCode, `${server}${request.path}`, text, headers['retry-after']);
  }

  /** Requests in progress fail. */
  async close(): Promise<void> {
    await this.#pool?.destroy();
  }

  async #send(request: KubeRequest, signal: AbortSignal) {
    const { method = 'GET', path, accept, silenceMs, body } = request;
    const { headers, tls } = await this.#access.credentials();
    return this.#poolFor(tls).request({
      method,
      path: this.#basePath + path,
      headers: {
        ...{ ...headers, accept, 'user-agent': 'netobserv' },
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      headersTimeout: HEADERS_TIMEOUT_MS,
      bodyTimeout: silenceMs,
      signal,
    });
  }

  #poolFor(tls: KubeTls): Pool {
    const wanted = JSON.stringify(tls);
    if (this.#pool !== undefined && this.#tls === wanted) return this.#pool;
    // Answers in progress end on the old connections.
    void this.#pool?.close().catch(() => undefined);
    const connect = { ...tls, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
    const { origin } = new URL(this.#access.server);
    this.#tls = wanted;
    this.#pool = new Pool(origin, {
      connections: CONNECTIONS_MAX,
      connectTimeout: CONNECT_TIMEOUT_MS,
      connect,
    });
    return this.#pool;
  }
}

async function startOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of body) {
      parts.push(part.subarray(0, REFUSAL_BYTES_MAX - bytes));
      bytes += part.length;
      // Leaving the loop closes the connection.
      if (bytes >= REFUSAL_BYTES_MAX) break;
    }
  } catch {
    // The status says enough.
  }
  return Buffer.concat(parts).toString('utf8').trim();
}

function refusal(status: number, where: string, text: string, header: unknown): NetobservError {
  const seconds = typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : 0;
  const retryAfterMs = Math.min(seconds * 1000, RETRY_AFTER_MAX_MS);
  const details = { status, ...(retryAfterMs > 0 ? { retryAfterMs } : {}) };
  const row = status === GONE ? KUBE_ERRORS.expired : KUBE_ERRORS.refused;
  const message = `${where}: HTTP ${status}${text === '' ? '' : `: ${text}`}`;
  return new NetobservError(row, message, { details, retryable: true });
}
