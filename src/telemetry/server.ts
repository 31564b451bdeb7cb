import type { ServerResponse } from 'node:http';
import type { Health, HealthReport } from './health.ts';
import {
  type HttpServer,
  type HttpServerConfig,
  type HttpServerDeps,
  isRefused,
  send,
  serveHttp,
} from './http.ts';
import type { Metrics } from './metrics.ts';

export interface TelemetryServerDeps extends HttpServerDeps {
  /** The metrics that are served. */
  readonly metrics: Metrics;
  readonly health: Health;
}

/**
 * Serves `/metrics`, `/livez` and `/readyz` (with `?full=1`: each check by name), also under the
 * names of flowlogs-pipeline, `/live` and `/ready`.
 */
export function createTelemetryServer(
  config: HttpServerConfig,
  deps: TelemetryServerDeps,
): HttpServer {
  return serveHttp('metrics', config, deps, (url, response) => answer(url, response, deps));
}

async function answer(
  url: URL,
  response: ServerResponse,
  deps: TelemetryServerDeps,
): Promise<void> {
  const full = url.searchParams.get('full') === '1';
  switch (url.pathname) {
    case '/metrics': {
      if (isRefused(response, deps)) return;
      const { registry } = deps.metrics;
      send(response, 200, registry.contentType, await registry.metrics());
      return;
    }
    case '/live':
    case '/livez':
      sendReport(response, deps.health.live(), full);
      return;
    case '/ready':
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
