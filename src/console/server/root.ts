import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { assertExists } from '../../base/assert.ts';
import type { Component } from '../../base/component.ts';
import { NetobservError } from '../../base/errors.ts';
import { formatListen, type ListenAddress } from '../../base/listen.ts';
import { buildApp } from './app.ts';
import { TokenAuth } from './auth.ts';
import type { ConsoleConfig } from './config.ts';
import type { ConsoleContext, ConsoleDeps } from './context.ts';
import { START_ERRORS, startError } from './errors.ts';
import { isLoopback, isWildcard } from './hosts.ts';
import { LiveHub } from './live.ts';
import { createConsoleMetrics } from './metrics.ts';
import { QueryGate } from './query-gate.ts';

export interface ConsoleAddress extends ListenAddress {
  /** Address that a person on this machine opens. */
  readonly url: string;
}

export interface Console extends Component {
  /** The bound address; only after `start`. */
  address(): ConsoleAddress;
}

/** The console's HTTP server: the API over the store, and the front end's files. */
export function createConsole(config: ConsoleConfig, deps: ConsoleDeps): Console {
  const metrics = createConsoleMetrics(deps.metrics);
  const gate = new QueryGate(deps.clock, config.limits, metrics);
  const live = new LiveHub(config.limits, {
    clock: deps.clock,
    metrics,
    subscribe: deps.subscribe,
    rows: async () => (await deps.store.status()).rows,
  });
  const context: ConsoleContext = { deps, metrics, gate, live };
  let app: FastifyInstance | undefined;
  let bound: ConsoleAddress | undefined;

  return {
    async start(signal) {
      requireProtection(config);
      const { token, limits, tls } = config;
      const options = { ...limits, port: config.listen.port, isTls: tls !== undefined };
      const auth = token === undefined ? undefined : new TokenAuth(token, deps.clock, options);
      app = await buildApp(config, context, auth);
      bound = await bind(app, config.listen, tls === undefined ? 'http' : 'https');
      live.start();
      // Streams never end by themselves: they end first; pending requests may still be answered.
      signal.addEventListener('abort', () => live.stop(), { once: true });
      deps.log.info({ component: 'console', url: bound.url }, 'console is listening');
    },

    async stop() {
      live.stop();
      gate.stop();
      if (app === undefined) return;
      await closeWithin(app, config.limits.stopGraceMs, deps);
      app = undefined;
    },

    address: () => assertExists(bound, 'console address before start'),
  };
}

function requireProtection(config: ConsoleConfig): void {
  const { host } = config.listen;
  if (config.token !== undefined || isLoopback(host)) return;
  throw startError(
    START_ERRORS.tokenRequired,
    `others can reach ${formatListen(config.listen)}, so the console listens there only with ` +
      '--token-file FILE; or keep it to this machine with --listen 127.0.0.1:' +
      `${config.listen.port}`,
  );
}

async function bind(
  app: FastifyInstance,
  listen: ListenAddress,
  scheme: 'http' | 'https',
): Promise<ConsoleAddress> {
  try {
    await app.listen({ host: listen.host, port: listen.port });
  } catch (cause) {
    await app.close();
    throw listenError(cause, listen);
  }
  const { port } = app.server.address() as AddressInfo;
  const { host } = listen;
  const shown = isWildcard(host) ? 'localhost' : host;
  return { host, port, url: `${scheme}://${formatListen({ host: shown, port })}` };
}

function listenError(cause: unknown, listen: ListenAddress): unknown {
  const place = formatListen(listen);
  switch (cause instanceof Error && 'code' in cause ? cause.code : undefined) {
    case 'EADDRINUSE':
      return startError(
        START_ERRORS.listenInUse,
        `port ${listen.port} on ${listen.host} is taken by another process: stop it, or choose ` +
          'another with --listen HOST:PORT',
        cause,
      );
    case 'EACCES':
      return startError(
        START_ERRORS.listenDenied,
        `this user may not listen on ${place}: choose a port above 1023 with --listen HOST:PORT`,
        cause,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
      return startError(
        START_ERRORS.listen,
        `this machine has no address ${listen.host}: choose one of its own with --listen HOST:PORT`,
        cause,
      );
    default:
      if (cause instanceof NetobservError) return cause;
      return startError(START_ERRORS.listen, `cannot listen on ${place}`, cause);
  }
}

/** Lets pending answers finish, but not for ever: a client may have stopped reading. */
async function closeWithin(app: FastifyInstance, graceMs: number, deps: ConsoleDeps) {
  const closed = new AbortController();
  const force = deps.clock.sleep(graceMs, closed.signal).then(
    () => app.server.closeAllConnections(),
    () => undefined,
  );
  await app.close();
  closed.abort();
  await force;
}
