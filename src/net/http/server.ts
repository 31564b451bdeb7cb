import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import { formatListen } from '../../base/listen.ts';
import { limitConnections } from '../../telemetry/connections.ts';
import { answerPlainHttp } from '../../telemetry/plain-http.ts';
import type { RenewalReport } from '../../telemetry/renewed-files.ts';
import { NET_ERRORS } from '../errors.ts';
import { pathsOf, SERVER_TLS_VERSION, type ServerTlsFiles, serverPems } from '../server-tls.ts';
import { BodyReader } from './body-reader.ts';

const HEADERS_TIMEOUT_MS = 10_000;
/** Time for the whole of a request to arrive. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Time for requests to end when the server stops. */
const STOP_TIMEOUT_MS = 2000;
const CONNECTION_LIMITS = { connectionsMax: 512, connectionsPerAddressMax: 384 };
/** When a sender that is sent away may try again, unless the error says it. */
const RETRY_AFTER_MS = 1000;
const MS_PER_S = 1000;

export interface PostServerConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: ServerTlsFiles | undefined;
  /** Path of the requests that it takes. */
  readonly path: string;
  /** Values of `content-type` that it takes. */
  readonly types: readonly string[];
  /** Largest body, before and after it is unpacked. */
  readonly bodyBytesMax: number;
  /** Bodies of all requests that are read or answered. */
  readonly bodiesBytesMax: number;
}

export interface PostServerDeps {
  readonly clock: Clock;
  readonly renewal: RenewalReport;
  /** Takes a body; the sender gets the answer, or the error by its kind. */
  take(body: Uint8Array<ArrayBuffer>, type: string): Promise<Uint8Array>;
  /** Counts a request that does not get to `take`. */
  refused(error: NetobservError): void;
  /** The answer to a request of this type that has failed. */
  failure(status: number, message: string, type: string): Answer;
  /** Counts connections at their limit. */
  limited(outcome: 'closed' | 'refused'): void;
}

export interface Answer {
  readonly type: string;
  readonly body: Uint8Array;
}

/** A request that is answered with this status. */
interface Refusal {
  readonly status: number;
  readonly problem: string;
}

/** Takes the bodies of POST requests to one path. */
export class PostServer implements Component {
  readonly #config: PostServerConfig;
  readonly #deps: PostServerDeps;
  readonly #bodies: BodyReader;
  #server: Server | undefined;

  constructor(config: PostServerConfig, deps: PostServerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#bodies = new BodyReader(config);
  }

  async start(): Promise<void> {
    const { host, port } = this.#config;
    const server = this.#open((request, response) => void this.#answer(request, response));
    this.#server = server;
    const connections = limitConnections(server, CONNECTION_LIMITS, this.#deps.limited);
    answerPlainHttp(server, connections, () => undefined);
    const address = formatListen({ host, port });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(new NetobservError(NET_ERRORS.listen, `cannot listen on ${address}`, { cause }));
      });
      server.listen({ host, port }, resolve);
    });
  }

  /** Requests that are being answered may end; after a while they are cut off. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const over = new AbortController();
    const late = this.#deps.clock.sleep(STOP_TIMEOUT_MS, over.signal).catch(() => undefined);
    const done = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    await Promise.race([done, late]);
    over.abort();
    server.closeAllConnections();
  }

  #open(listener: RequestListener): Server {
    const limits = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
    const { tls } = this.#config;
    if (tls === undefined) return createHttpServer(limits, listener);
    const files = this.#files(tls);
    let used = files.current();
    const options = {
      minVersion: SERVER_TLS_VERSION,
      requestCert: tls.clientCaPath !== undefined,
    } as const;
    const server = createHttpsServer({ ...limits, ...options, ...used }, listener);
    // Before the server's own listener, which begins the handshake.
    server.prependListener('connection', () => {
      const newest = files.current();
      if (newest === used) return;
      used = newest;
      server.setSecureContext({ minVersion: SERVER_TLS_VERSION, ...newest });
    });
    return server;
  }

  #files(tls: ServerTlsFiles) {
    try {
      return serverPems(tls, this.#deps.renewal);
    } catch (cause) {
      const problem = `no usable certificates and keys in ${pathsOf(tls).join(', ')}`;
      throw new NetobservError(NET_ERRORS.tls, problem, { cause, details: { ...tls } });
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
    const refusal = refusalOf(request, type, this.#config);
    if (refusal !== undefined) {
      const error = new NetobservError(NET_ERRORS.request, refusal.problem);
      this.#deps.refused(error);
      this.#fail(response, type, refusal.status, error);
      return;
    }
    const body = this.#bodies.open(request);
    try {
      const bytes = await this.#read(body);
      send(response, 200, { type, body: await this.#deps.take(bytes, type) });
    } catch (error) {
      this.#fail(response, type, statusOf(error), error);
    } finally {
      body.release();
    }
  }

  async #read(body: ReturnType<BodyReader['open']>): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return await body.read();
    } catch (error) {
      if (error instanceof NetobservError) this.#deps.refused(error);
      throw error;
    }
  }

  /** Node passes over what is left of the body, so that the sender sees the answer. */
  #fail(response: ServerResponse, type: string, status: number, error: unknown): void {
    if (status === 405) response.setHeader('Allow', 'POST');
    if (status === 503) {
      const given = error instanceof NetobservError ? error.details.retryAfterMs : undefined;
      const retryMs = typeof given === 'number' ? given : RETRY_AFTER_MS;
      response.setHeader('Retry-After', Math.ceil(retryMs / MS_PER_S));
    }
    send(response, status, this.#deps.failure(status, explain(error), type));
  }
}

function send(response: ServerResponse, status: number, { type, body }: Answer): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length });
  response.end(body);
}

function refusalOf(
  { method, url = '' }: IncomingMessage,
  type: string,
  { path, types }: PostServerConfig,
): Refusal | undefined {
  const asked = url.split('?', 1)[0];
  if (asked !== path) return { status: 404, problem: `only ${path} is served here` };
  if (method !== 'POST') return { status: 405, problem: 'only POST is served here' };
  if (types.includes(type)) return undefined;
  return { status: 415, problem: `the content-type must be ${types.join(' or ')}` };
}

const STATUS: Readonly<Partial<Record<NetobservError['kind'], number>>> = {
  data: 400,
  limit: 413,
  unavailable: 503,
};

function statusOf(error: unknown): number {
  if (!(error instanceof NetobservError)) return 500;
  return STATUS[error.kind] ?? 500;
}
