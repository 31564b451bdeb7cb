import type { ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import type { ListenAddress } from '../base/listen.ts';
import { type HttpServer, type HttpServerDeps, isRefused, send, serveHttp } from './http.ts';
import { encodePprof } from './pprof.ts';
import { type SampledProfile, V8Profiler } from './profiler.ts';

/** Go's default. */
const SECONDS_DEFAULT = 30;
const SECONDS_MAX = 120;

const INDEX = `/debug/pprof/

profile?seconds=${SECONDS_DEFAULT}  CPU time of the main thread; up to ${SECONDS_MAX} seconds
heap                what the main thread has allocated since the start and still uses

Both are for go tool pprof.
`;

export interface PprofServerDeps extends HttpServerDeps {
  readonly clock: Clock;
}

/** Serves profiles of this program under the paths of Go's net/http/pprof. */
export function createPprofServer(address: ListenAddress, deps: PprofServerDeps): HttpServer {
  const { clock } = deps;
  const profiler = new V8Profiler(clock);
  const closing = new AbortController();
  const profiles = answerer(profiler, clock, closing.signal);
  const answer = async (url: URL, response: ServerResponse): Promise<void> => {
    if (!isRefused(response, deps)) await profiles(url, response);
  };
  const server = serveHttp(
    'profiles',
    // All addresses of both families, if there are two.
    { address: address.host === '::' ? '' : address.host, port: address.port },
    deps,
    answer,
  );
  return {
    async start(signal) {
      await profiler.start();
      await server.start(signal);
    },
    async stop() {
      closing.abort();
      await server.stop();
      profiler.stop();
    },
    port: () => server.port(),
  };
}

function answerer(profiler: V8Profiler, clock: Clock, closing: AbortSignal) {
  let isProfiling = false;

  async function cpu(url: URL, response: ServerResponse): Promise<void> {
    if (isProfiling) {
      return send(response, 409, 'text/plain', 'another CPU profile is being taken: try later\n');
    }
    const seconds = secondsOf(url);
    if (seconds === undefined) {
      const text = `seconds must be a whole number from 1 to ${SECONDS_MAX}\n`;
      return send(response, 400, 'text/plain', text);
    }
    isProfiling = true;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      const signal = AbortSignal.any([closing, gone.signal]);
      const profile = await profiler.cpu(seconds * 1000, signal);
      await sendProfile(response, profile, 'profile');
    } finally {
      isProfiling = false;
    }
  }

  async function sendProfile(
    response: ServerResponse,
    profile: SampledProfile,
    name: string,
  ): Promise<void> {
    const bytes = await encodePprof(profile, clock.nowMs());
    response.setHeader('Content-Disposition', `attachment; filename="${name}"`);
    send(response, 200, 'application/octet-stream', bytes);
  }

  return async (url: URL, response: ServerResponse): Promise<void> => {
    switch (url.pathname) {
      case '/debug/pprof/':
        return send(response, 200, 'text/plain', INDEX);
      case '/debug/pprof/profile':
        return cpu(url, response);
      case '/debug/pprof/heap':
        return sendProfile(response, await profiler.heap(), 'heap');
      default:
        return send(response, 404, 'text/plain', 'not found: try /debug/pprof/\n');
    }
  };
}

function secondsOf(url: URL): number | undefined {
  const text = url.searchParams.get('seconds') ?? String(SECONDS_DEFAULT);
  const seconds = Number(text);
  return /^\d+$/.test(text) && seconds >= 1 && seconds <= SECONDS_MAX ? seconds : undefined;
}
