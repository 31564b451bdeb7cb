import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { assert } from '../base/assert.ts';
import type { Component } from '../base/component.ts';
import { explain, NetobservError } from '../base/errors.ts';
import { createConnectionMetrics, limitConnections } from './connections.ts';
import { TELEMETRY_ERRORS } from './errors.ts';
import { answerPlainHttp, createPlainHttpMetrics } from './plain-http.ts';
import { type RenewalDeps, renewalReport } from './renewals.ts';
import { RenewedCertificate, type TlsFilePaths } from './server-tls.ts';

const REQUEST_TIMEOUT_MS = 10_000;
/** Scrapers and probes are few; more connections than this are a mistake. */
const CONNECTION_LIMITS = { connectionsMax: 64, connectionsPerAddressMax: 48 };
/** After these a client reconnects. */
const REQUESTS_PER_CONNECTION_MAX = 10_000;

export interface HttpServerConfig {
  /** Empty: all addresses. */
  readonly address: string;
  /** 0: any free port, see `port()`. */
  readonly port: number;
  readonly tls?: TlsFilePaths;
  /** File with the token that a client must have to see restricted content. */
  readonly tokenPath?: string;
}

export interface HttpServerDeps extends RenewalDeps {
  /** Whether the client may see restricted content; default: every client may. */
  readonly allows?: (request: IncomingMessage) => boolean;
  /** The option that names the token's file, for those who lack it. */
  readonly tokenOption?: string;
}

export interface HttpServer extends Component {
  /** The bound port; only after `start`. */
  port(): number;
}

/** Answers one request; a failure is logged and answered with 500. */
type Answer = (url: URL, response: ServerResponse) => Promise<void>;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A read-only server of the program itself; `what` names the content in errors. */
export function serveHttp(
  what: string,
  config: HttpServerConfig,
  deps: HttpServerDeps,
  answer: Answer,
): HttpServer {
  const { log } = deps;
  let server: Server | undefined;
  return {
    async start() {
      server = build(what, config, deps, (request, response) => {
        answerRequest(request, response, answer).catch((error: unknown) => {
          log.error({ component: 'telemetry', error: explain(error) }, 'request failed');
          if (response.headersSent) response.destroy();
          else send(response, 500, 'text/plain', 'internal error\n');
        });
      });
      await listen(what, server, config);
    },

    async stop() {
      const closing = server;
      if (closing === undefined) return;
      server = undefined;
      await new Promise<void>((resolve) => {
        closing.close(() => resolve());
        closing.closeAllConnections();
      });
    },

    port() {
      const bound = server?.address();
      assert(typeof bound === 'object' && bound !== null, 'the server is not started');
      return bound.port;
    },
  };
}

export function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Uint8Array,
): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': bytes.length });
  response.end(response.req.method === 'HEAD' ? undefined : bytes);
}

/** True when the request was refused, and answered, because the client may not see the content. */
export function isRefused(
  response: ServerResponse,
  { allows, tokenOption = '--token-file' }: HttpServerDeps,
): boolean {
  if (allows === undefined || allows(response.req)) return false;
  response.setHeader('WWW-Authenticate', 'Bearer realm="netobserv"');
  const text = `this needs the token of ${tokenOption}: "Authorization: Bearer <token>"\n`;
  send(response, 401, 'text/plain', text);
  return true;
}

async function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, 'text/plain', 'only GET is served here\n');
    return;
  }
  const url = URL.parse(request.url ?? '/', 'http://localhost');
  if (url === null) send(response, 400, 'text/plain', 'the request has no valid path\n');
  else await answer(url, response);
}

function build(
  what: string,
  config: HttpServerConfig,
  deps: RenewalDeps,
  handler: Handler,
): Server {
  const limits = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    // How often Node looks for requests that have timed out.
    connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 4,
  };
  const server =
    config.tls === undefined
      ? createHttpServer(limits, handler)
      : createTlsServer(
          limits,
          new RenewedCertificate(config.tls, renewalReport(what, deps)),
          handler,
        );
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION_MAX;
  const limited = deps.counts && createConnectionMetrics(deps.counts);
  const connections = limitConnections(server, CONNECTION_LIMITS, (outcome) =>
    limited?.inc({ server: what, outcome }),
  );
  const plain = deps.counts && createPlainHttpMetrics(deps.counts);
  answerPlainHttp(server, connections, () => plain?.inc({ server: what }));
  return server;
}

function createTlsServer(limits: ServerOptions, certificate: RenewedCertificate, handler: Handler) {
  const server = createHttpsServer({ ...limits, ...certificate.current() }, handler);
  certificate.renew(server);
  return server;
}

function listen(what: string, server: Server, config: HttpServerConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => {
      const place = `${config.address === '' ? '*' : config.address}:${config.port}`;
      reject(
        new NetobservError(
          TELEMETRY_ERRORS.listen,
          `cannot serve ${what} on ${place}: choose a free port or another address`,
          { cause, details: { address: config.address, port: config.port } },
        ),
      );
    };
    server.once('error', onError);
    const host = config.address === '' ? {} : { host: config.address };
    server.listen({ port: config.port, ...host }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}
