import type { FastifyPluginAsync, FastifyReply, onRequestAsyncHookHandler } from 'fastify';
import type { HealthReport } from '../../telemetry/health.ts';
import type { ConsoleContext } from './context.ts';

/** `/metrics`, `/livez` and `/readyz`, as on the telemetry server. */
export function probeRoutes(
  context: ConsoleContext,
  guard: onRequestAsyncHookHandler | undefined,
): FastifyPluginAsync {
  const { metrics, health } = context.deps;
  const exposition = context.deps.exposition ?? (() => metrics.registry.metrics());
  return async (app) => {
    app.get('/metrics', guard === undefined ? {} : { onRequest: guard }, async (_, reply) =>
      reply.type(metrics.registry.contentType).send(await exposition()),
    );
    if (health === undefined) return;
    // Open to all: a kubelet has no token, and the answer is only yes or no.
    app.get('/livez', async (_, reply) => sendReport(reply, await health.live()));
    app.get('/readyz', async (_, reply) => sendReport(reply, await health.ready()));
  };
}

function sendReport(reply: FastifyReply, report: HealthReport): FastifyReply {
  return reply.code(report.ok ? 200 : 503).send(report.ok ? 'ok\n' : 'not ok\n');
}
