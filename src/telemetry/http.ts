import { readFileSync } from 'node:fs';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { assert } from '../base/assert.ts';
import type { Component } from '../base/component.ts';
import { explain, NetobservError } from '../base/errors.ts';
import { TELEMETRY_ERRORS } from './errors.ts';
import type { Log } from './log.ts';

const REQUEST_TIMEOUT_MS = 10_000;
/** Scrapers and probes are few; more connections than this are somebody's mistake. */
const CONNECTIONS_MAX = 64;

export interface HttpServerConfig {
  /** Empty: all addresses. */
  readonly address: string;
  /** 0: any free port, see `port()`. */
  readonly port: number;
  readonly tls?: { readonly certPath: string; readonly keyPath: string };
}

export interface HttpServer extends Component {
  /** The bound port; only after `start`. */
  port(): number;
}

/** Answers one request; a failure is logged and answered by 500. */
type Answer = (url: URL, response: ServerResponse) => Promise<void>;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server of the program itself, which is only read from; `what` it serves is for errors. */
export function serveHttp(
  what: string,
  config: HttpServerConfig,
  log: Log,
  answer: Answer,
): HttpServer {
  let server: Server | undefined;
  return {
    async start() {
      server = build(config, (request, response) => {
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

function build(config: HttpServerConfig, handler: Handler): Server {
  const limits = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS };
  const server =
    config.tls === undefined
      ? createHttpServer(limits, handler)
      : createHttpsServer({ ...limits, ...readTls(config.tls), minVersion: 'TLSv1.2' }, handler);
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

function readTls(tls: { readonly certPath: string; readonly keyPath: string }) {
  try {
    return { cert: readFileSync(tls.certPath), key: readFileSync(tls.keyPath) };
  } catch (cause) {
    throw new NetobservError(
      TELEMETRY_ERRORS.tls,
      `cannot read the TLS files ${tls.certPath} and ${tls.keyPath}`,
      { cause },
    );
  }
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
