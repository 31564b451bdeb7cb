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
import { renewalReport } from './renewals.ts';
import { tokenGuard } from './token.ts';

export interface TelemetryServerDeps extends HttpServerDeps {
  /** The metrics that are served. */
  readonly metrics: Metrics;
  readonly health: Health;
}

/**
 * Serves `/metrics`, `/livez` and `/readyz` (with `?full=1`: each check by name), also under the
 * names of flowlogs-pipeline, `/live` and `/ready`. Probes need no token.
 */
export function createTelemetryServer(
  config: HttpServerConfig,
  deps: TelemetryServerDeps,
): HttpServer {
  const guarded = guardedBy(config, deps);
  return serveHttp('metrics', config, deps, (url, response) => answer(url, response, guarded));
}

/** With a file of its own, a server takes that token alone. */
function guardedBy(
  { tokenPath }: HttpServerConfig,
  deps: TelemetryServerDeps,
): TelemetryServerDeps {
  if (tokenPath === undefined) return deps;
  const refused = deps.counts && createRefusalMetrics(deps.counts);
  const hasToken = tokenGuard(tokenPath, renewalReport('metrics_token', deps));
  return {
    tokenOption: 'tokenPath',
    ...deps,
    allows(request) {
      const isAllowed = hasToken(request);
      if (!isAllowed) refused?.inc({ server: 'metrics' });
      return isAllowed;
    },
  };
}

export function createRefusalMetrics(metrics: Metrics) {
  return metrics.counter<'server'>(
    'http_refused_requests_total',
    'Requests without the token that they need',
    ['server'],
  );
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
