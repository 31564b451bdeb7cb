import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { hasCode } from '../../base/errors.ts';
import type { LoginRequest } from '../api.ts';
import { LIVE_PATH } from './api-routes.ts';
import type { TokenAuth } from './auth.ts';
import type { ConsoleContext } from './context.ts';
import { ANSWERS } from './errors.ts';
import { loginBody, noParameters } from './parameters.ts';

/** Trades the token for a cookie, so that a browser need not keep the token. */
export function authRoutes(auth: TokenAuth, context: ConsoleContext): FastifyPluginAsync {
  return async (app) => {
    app.post(
      '/api/login',
      { schema: { querystring: noParameters, body: loginBody } },
      async (request, reply) => {
        const { token } = request.body as LoginRequest;
        try {
          reply.header('set-cookie', auth.login(token, request.ip));
        } catch (error) {
          countRefusal(error, context);
          throw error;
        }
        return reply.code(204).header('cache-control', 'no-store').send();
      },
    );
    app.post('/api/logout', { schema: { querystring: noParameters } }, async (request, reply) =>
      reply
        .code(204)
        .header('set-cookie', auth.logout(request.headers))
        .header('cache-control', 'no-store')
        .send(),
    );
  };
}

/** How soon a stream ends after the session that it was opened in. */
const STREAM_CHECK_PERIOD_MS = 5000;

/** A hook that requires the token, and ends a live stream soon after its session has ended. */
export function requireToken(auth: TokenAuth, context: ConsoleContext) {
  return async ({ headers, ip, routeOptions }: FastifyRequest, reply: FastifyReply) => {
    try {
      auth.check(headers, ip);
    } catch (error) {
      countRefusal(error, context);
      throw error;
    }
    if (routeOptions.url !== LIVE_PATH) return;
    const checking = context.deps.clock.every(STREAM_CHECK_PERIOD_MS, () => {
      try {
        auth.check(headers, ip);
      } catch {
        reply.raw.destroy();
      }
    });
    reply.raw.once('close', () => checking[Symbol.dispose]());
  };
}

function countRefusal(error: unknown, context: ConsoleContext): void {
  const limited = hasCode(error, ANSWERS.loginRate);
  context.metrics.reject(limited ? 'login_rate' : 'token');
}
