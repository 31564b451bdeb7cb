import type { Server as HttpsServer } from 'node:https';
import compress from '@fastify/compress';
import helmet from '@fastify/helmet';
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import { shown } from '../../base/shown.ts';
import { limitConnections } from '../../telemetry/connections.ts';
import { answerPlainHttp } from '../../telemetry/plain-http.ts';
import { apiRoutes, LIVE_PATH } from './api-routes.ts';
import { answerNotFound, serveAssets, withoutPrefix } from './assets.ts';
import type { TokenAuth } from './auth.ts';
import { authRoutes, requireToken } from './auth-routes.ts';
import { refuseBrokenRequest } from './broken-requests.ts';
import type { ConsoleConfig } from './config.ts';
import type { ConsoleContext } from './context.ts';
import { ANSWERS, AnswerError } from './errors.ts';
import { crossSiteReason, HostCheck } from './hosts.ts';
import { explainInvalid, parseQueryString } from './parameters.ts';
import { probeRoutes } from './probe-routes.ts';
import { asAnswer, replyError } from './reply-error.ts';

/** The HTTP application: limits, headers, checks, then routes; not yet listening. */
export async function buildApp(
  config: ConsoleConfig,
  context: ConsoleContext,
  auth: TokenAuth | undefined,
): Promise<FastifyInstance> {
  const app = newServer(config, context);
  const methods = collectApiMethods(app);
  app.setErrorHandler((error, request, reply) =>
    replyError(reply, invalidRequest(error, request) ?? asAnswer(error, context.deps.log)),
  );
  // Before all else, so that refusals have the security headers too.
  await app.register(helmet, SECURITY_HEADERS);
  const hosts = new HostCheck(config.listen.host, config.allowedHosts);
  app.addHook('onRequest', async (request) => {
    if (hosts.allows(request.headers.host)) return;
    context.metrics.reject('host');
    throw new AnswerError(
      ANSWERS.host,
      `Host is ${shown(request.headers.host ?? 'missing')}, a name that this console does ` +
        'not answer to: --allowed-hosts takes the names by which browsers may reach it',
    );
  });
  await app.register(compress, { encodings: ['zstd', 'br', 'gzip'] });

  // Hooks inside a plugin run for the matched route, however its path was spelled.
  await app.register(async (api) => {
    api.addHook('onRequest', refuseCrossSite(context, config.allowedHosts));
    measureCalls(api, context);
    if (auth !== undefined) {
      await api.register(authRoutes(auth, context));
    }
    await api.register(async (guarded) => {
      if (auth !== undefined) guarded.addHook('onRequest', requireToken(auth, context));
      await guarded.register(apiRoutes(config, context));
    });
  });
  await app.register(probeRoutes(context, auth && requireToken(auth, context)));

  const { webRoot } = config;
  if (webRoot !== undefined) await serveAssets(app, webRoot);
  app.setNotFoundHandler((request, reply) =>
    answerNotFound(request, reply, (path) => methods.get(path) ?? [], webRoot !== undefined),
  );
  return app;
}

function newServer(config: ConsoleConfig, context: ConsoleContext): FastifyInstance {
  const { limits, tls } = config;
  const http = {
    maxHeaderSize: limits.headersMaxBytes,
    headersTimeout: limits.requestTimeoutMs,
    // How often Node looks for requests that have timed out.
    connectionsCheckingInterval: Math.max(100, Math.floor(limits.requestTimeoutMs / 4)),
  };
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyMaxBytes,
    requestTimeout: limits.requestTimeoutMs,
    connectionTimeout: limits.idleTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    exposeHeadRoutes: false,
    maxRequestsPerSocket: limits.requestsPerConnectionMax,
    ...(tls === undefined ? { http } : { https: { ...http, ...tls.current() } }),
    routerOptions: { querystringParser: parseQueryString },
    rewriteUrl: ({ url = '/' }) => withoutPrefix(url),
    ajv: {
      // A parameter that is not in the schema is an error; it is not silently removed.
      customOptions: { coerceTypes: true, removeAdditional: false, useDefaults: false },
    },
    frameworkErrors: (error, _request, reply) => {
      replyError(reply, asAnswer(error, context.deps.log));
    },
    clientErrorHandler: (error, socket) => refuseBrokenRequest(error, socket, context.metrics),
  });
  if (tls !== undefined) tls.renew(app.server as unknown as HttpsServer);
  const connections = limitConnections(app.server, limits, context.metrics.limitConnection);
  answerPlainHttp(app.server, connections, context.metrics.plainRequest);
  // The API takes JSON; a cross-site form could send a plain-text body.
  app.removeContentTypeParser('text/plain');
  return app;
}

/**
 * No inline script, style sheet or attribute, and nothing from other origins. Styles that scripts
 * set on elements are not subject to the policy; `data:` is for the images in PatternFly's sheets.
 */
const SECURITY_HEADERS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      scriptSrcAttr: ["'none'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'", 'data:'],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  frameguard: { action: 'deny' },
  referrerPolicy: { policy: 'no-referrer' },
  // It would bind all of the host name's ports to TLS: the owner of the name must decide that.
  hsts: false,
} as const;

/** Methods by path, for 405 with `Allow`. */
function collectApiMethods(app: FastifyInstance): ReadonlyMap<string, readonly string[]> {
  const methods = new Map<string, string[]>();
  app.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return;
    methods.set(url, [...(methods.get(url) ?? []), method].flat());
  });
  return methods;
}

function refuseCrossSite(context: ConsoleContext, allowedHosts: readonly string[]) {
  return async (request: FastifyRequest): Promise<void> => {
    const reason = crossSiteReason(request.headers, allowedHosts);
    if (reason === undefined) return;
    context.metrics.reject('origin');
    throw new AnswerError(ANSWERS.origin, reason);
  };
}

/** `live` is excluded: it lasts as long as the browser is open. */
function measureCalls(api: FastifyInstance, context: ConsoleContext): void {
  api.addHook('onResponse', async (request, reply) => {
    const handler = request.routeOptions.url ?? 'none';
    if (handler === LIVE_PATH) return;
    context.metrics.calls.observe(
      { handler, code: String(reply.statusCode) },
      reply.elapsedTime / 1000,
    );
  });
}

/** The answer to a request that its schema refused. */
function invalidRequest(error: unknown, request: FastifyRequest): AnswerError | undefined {
  if (!(error instanceof Error) || !('validation' in error)) return undefined;
  const { validation, validationContext } = error as Error & ValidationFailure;
  const [first] = validation ?? [];
  if (first === undefined) return undefined;
  const inBody = validationContext === 'body';
  const schema = inBody
    ? request.routeOptions.schema?.body
    : request.routeOptions.schema?.querystring;
  const { properties } = schema as { properties: Parameters<typeof explainInvalid>[1] };
  return explainInvalid(first, properties, inBody ? 'member' : 'parameter');
}

interface ValidationFailure {
  readonly validation?: readonly Parameters<typeof explainInvalid>[0][];
  readonly validationContext?: string;
}
