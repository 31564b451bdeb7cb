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
import type { Health, HealthReport } from './health.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

const REQUEST_TIMEOUT_MS = 10_000;
/** Scrapers and probes are few; more connections than this are somebody's mistake. */
const CONNECTIONS_MAX = 64;

export interface TelemetryServerConfig {
  /** Empty: all addresses. */
  readonly address: string;
  /** 0: any free port, see `port()`. */
  readonly port: number;
  readonly tls?: { readonly certPath: string; readonly keyPath: string };
}

export interface TelemetryServerDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly health: Health;
}

export interface TelemetryServer extends Component {
  /** The bound port; only after `start`. */
  port(): number;
}

/** Serves `/metrics`, `/livez` and `/readyz` (with `?full=1`: each check by name). */
export function createTelemetryServer(
  config: TelemetryServerConfig,
  deps: TelemetryServerDeps,
): TelemetryServer {
  let server: Server | undefined;
  return {
    async start() {
      server = build(config, (request, response) => {
        answer(request, response, deps).catch((error: unknown) => {
          deps.log.error({ component: 'telemetry', error: explain(error) }, 'request failed');
          if (response.headersSent) response.destroy();
          else send(response, 500, 'text/plain', 'internal error\n');
        });
      });
      await listen(server, config);
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

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

function build(config: TelemetryServerConfig, handler: Handler): Server {
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

function listen(server: Server, config: TelemetryServerConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => {
      const place = `${config.address === '' ? '*' : config.address}:${config.port}`;
      reject(
        new NetobservError(
          TELEMETRY_ERRORS.listen,
          `cannot serve metrics on ${place}: choose a free port or another address`,
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

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  deps: TelemetryServerDeps,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, 'text/plain', 'only GET is served here\n');
    return;
  }
  const url = URL.parse(request.url ?? '/', 'http://localhost');
  if (url === null) {
    send(response, 400, 'text/plain', 'the request has no valid path\n');
    return;
  }
  const full = url.searchParams.get('full') === '1';
  switch (url.pathname) {
    case '/metrics': {
      const { registry } = deps.metrics;
      send(response, 200, registry.contentType, await registry.metrics());
      return;
    }
    case '/livez':
      sendReport(response, deps.health.live(), full);
      return;
    case '/readyz':
      sendReport(response, deps.health.ready(), full);
      return;
    default:
      send(response, 404, 'text/plain', 'not found: try /metrics, /livez or /readyz\n');
  }
}

function sendReport(response: ServerResponse, report: HealthReport, full: boolean): void {
  const body = full ? report.checks : {};
  send(response, report.ok ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': bytes.length });
  response.end(response.req.method === 'HEAD' ? undefined : bytes);
}
