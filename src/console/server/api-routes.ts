import { Readable } from 'node:stream';
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import { LOKI_LABELS } from '../../flow/fields.ts';
import type { ValuesResponse } from '../api.ts';
import type { ConsoleConfig } from './config.ts';
import type { ConsoleContext } from './context.ts';
import { ANSWERS, AnswerError } from './errors.ts';
import { frontendConfig } from './frontend-config.ts';
import { toMatrix } from './matrix.ts';
import {
  type MetricsParameters,
  metricsParameters,
  noParameters,
  type RecordsParameters,
  recordsParameters,
  statusParameters,
  type ValuesParameters,
  valuesParameters,
} from './parameters.ts';
import { planMetrics, planRecords, planValues } from './plan.ts';
import { BUSY_RETRY_AFTER_S } from './query-gate.ts';
import { queryStats } from './stats.ts';
import { readStatus } from './status.ts';
import { encodeStreams } from './streams.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

/** Answered for as long as the browser is open. */
export const LIVE_PATH = '/api/live';

/** All of `/api/…` except login and logout. */
export function apiRoutes(config: ConsoleConfig, context: ConsoleContext): FastifyPluginAsync {
  return async (app) => {
    app.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store');
    });
    const records = recordsHandler(config, context);
    for (const path of ['/api/flow/records', '/api/loki/flow/records']) {
      app.get(path, { schema: { querystring: recordsParameters } }, async (request, reply) =>
        records(request.query as RecordsParameters, reply),
      );
    }
    const metrics = metricsHandler(config, context);
    app.get('/api/flow/metrics', { schema: { querystring: metricsParameters } }, (request, reply) =>
      metrics(request.query as MetricsParameters, reply),
    );
    const values = valuesHandler(context);
    app.get('/api/flow/values', { schema: { querystring: valuesParameters } }, (request, reply) =>
      values(request.query as ValuesParameters, reply),
    );
    app.get('/api/status', { schema: { querystring: statusParameters } }, () =>
      readStatus(context.deps),
    );
    app.get('/api/frontend-config', { schema: { querystring: noParameters } }, async () =>
      frontendConfig(config.frontend, {
        version: context.deps.version,
        features: await context.deps.features(),
        login: config.token !== undefined,
      }),
    );
    app.get(LIVE_PATH, { schema: { querystring: noParameters } }, async ({ socket }, reply) =>
      // Proxies that buffer would delay the news.
      reply
        .type('text/event-stream; charset=utf-8')
        .header('x-accel-buffering', 'no')
        .send(context.live.connect(socket.remoteAddress)),
    );
  };
}

type Handler<Parameters> = (parameters: Parameters, reply: FastifyReply) => Promise<FastifyReply>;

function recordsHandler(
  config: ConsoleConfig,
  context: ConsoleContext,
): Handler<RecordsParameters> {
  const { gate, metrics, deps } = context;
  const { clock, store } = deps;
  let answering = 0;
  return async (parameters, reply) => {
    const query = planRecords(parameters, clock.nowMs(), config.frontend);
    if (answering >= config.limits.recordAnswersMax) {
      metrics.reject('answers_busy');
      throw new AnswerError(
        ANSWERS.busy,
        `${answering} answers are being read, which is the most that this console holds: ` +
          'try again shortly',
        { retryAfterS: BUSY_RETRY_AFTER_S },
      );
    }
    answering++;
    reply.raw.once('close', () => answering--);
    const startedMs = clock.monotonicMs();
    const { rows, limitReached } = await gate.run(whileConnected(reply), (signal) =>
      store.records(query, signal),
    );
    const stats = queryStats('records', clock.monotonicMs() - startedMs, rows.length, limitReached);
    const pieces = encodeStreams(rows, LOKI_LABELS, stats, clock.nowMs());
    return reply.type(JSON_TYPE).send(Readable.from(pieces));
  };
}

function metricsHandler(
  config: ConsoleConfig,
  context: ConsoleContext,
): Handler<MetricsParameters> {
  const { gate, deps } = context;
  const { clock, store } = deps;
  return async (parameters, reply) => {
    const query = planMetrics(parameters, clock.nowMs(), config.frontend);
    const startedMs = clock.monotonicMs();
    const result = await gate.run(whileConnected(reply), (signal) => store.metrics(query, signal));
    const elapsedMs = clock.monotonicMs() - startedMs;
    const stats = queryStats('metrics', elapsedMs, result.series.length, result.limitReached);
    return reply.send(toMatrix(query, result, stats, clock.nowMs()));
  };
}

function valuesHandler(context: ConsoleContext): Handler<ValuesParameters> {
  const { gate, deps } = context;
  return async (parameters, reply) => {
    const query = planValues(parameters, deps.clock.nowMs());
    const values = await gate.run(whileConnected(reply), (signal) =>
      deps.store.values(query, signal),
    );
    return reply.send({ values } satisfies ValuesResponse);
  };
}

/** Aborted when the client hangs up before its answer is complete. */
function whileConnected(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (reply.raw.writableFinished) return;
    gone.abort(new AnswerError(ANSWERS.clientGone, 'the client hung up'));
  });
  return gone.signal;
}
