import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { LoginRequest } from '../api.ts';
import type { TokenAuth } from './auth.ts';
import type { ConsoleContext } from './context.ts';
import { AnswerError } from './errors.ts';
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
    app.post('/api/logout', { schema: { querystring: noParameters } }, async (_request, reply) =>
      reply
        .code(204)
        .header('set-cookie', auth.logout())
        .header('cache-control', 'no-store')
        .send(),
    );
  };
}

/** A hook that lets only those pass who know the token. */
export function requireToken(auth: TokenAuth, context: ConsoleContext) {
  return async (request: FastifyRequest): Promise<void> => {
    try {
      auth.check(request.headers, request.ip);
    } catch (error) {
      countRefusal(error, context);
      throw error;
    }
  };
}

function countRefusal(error: unknown, context: ConsoleContext): void {
  const limited = error instanceof AnswerError && error.code === 'ERR_CONSOLE_LOGIN_RATE';
  context.metrics.reject(limited ? 'login_rate' : 'token');
}
