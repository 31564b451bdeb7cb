import { type IncomingHttpHeaders, request } from 'node:http';
import type { Clock } from '../../../../src/base/clock.ts';
import {
  type ConsoleConfig,
  type ConsoleLimits,
  DEFAULT_LIMITS,
} from '../../../../src/console/server/config.ts';
import type { ConsoleDeps } from '../../../../src/console/server/context.ts';
import { type Console, createConsole } from '../../../../src/console/server/root.ts';
import type { RecordResult, ValuesQuery } from '../../../../src/query/ast.ts';
import type { FlowStore } from '../../../../src/store/store.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../../src/telemetry/metrics.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

/** A store whose answers the test decides; it keeps the requests. */
export interface FakeStore extends FlowStore {
  readonly asked: {
    readonly kind: string;
    readonly query: unknown;
    readonly signal: AbortSignal;
  }[];
  answer: (kind: string, query: unknown, signal: AbortSignal) => Promise<unknown>;
}

export function fakeStore(answer?: FakeStore['answer']): FakeStore {
  const store: FakeStore = {
    asked: [],
    answer: answer ?? (async (kind) => EMPTY[kind]),
    start: async () => undefined,
    stop: async () => undefined,
    append: async () => undefined,
    flush: async () => undefined,
    status: async () => ({ kind: 'fake', ready: true, rows: 3, sizeBytes: 100, newestMs: 7 }),
    records: (query, signal) => ask('records', query, signal) as Promise<RecordResult>,
    metrics: (query, signal) => ask('metrics', query, signal) as ReturnType<FlowStore['metrics']>,
    values: (query: ValuesQuery, signal) =>
      ask('values', query, signal) as ReturnType<FlowStore['values']>,
  };
  const ask = (kind: string, query: unknown, signal: AbortSignal): Promise<unknown> => {
    store.asked.push({ kind, query, signal });
    return store.answer(kind, query, signal);
  };
  return store;
}

const EMPTY: Readonly<Record<string, unknown>> = {
  records: { rows: [], limitReached: false },
  metrics: { series: [], limitReached: false },
  values: [],
};

export interface Running extends AsyncDisposable {
  readonly server: Console;
  readonly url: string;
  readonly port: number;
  readonly clock: ManualClock;
  readonly store: FakeStore;
  readonly metrics: Metrics;
}

export type ConfigOverrides = Omit<Partial<ConsoleConfig>, 'limits' | 'token'> & {
  readonly limits?: Partial<ConsoleLimits>;
  /** A function if it changes. */
  readonly token?: string | (() => string);
};

export function configOf({ token, ...overrides }: ConfigOverrides = {}): ConsoleConfig {
  return {
    ...(token === undefined ? {} : { token: typeof token === 'string' ? () => token : token }),
    listen: { host: '127.0.0.1', port: 0 },
    allowedHosts: [],
    frontend: {
      recordTypes: ['flowLog'],
      sampling: 1,
      portNaming: { enable: true, portNames: {} },
      quickFilters: [],
    },
    ...overrides,
    limits: { ...DEFAULT_LIMITS, ...overrides.limits },
  };
}

export function depsOf(store: FlowStore, clock: Clock): ConsoleDeps & { metrics: Metrics } {
  return {
    log: createLog('silent'),
    metrics: createMetrics('netobserv_'),
    clock,
    store,
    version: { version: '1.2.3', buildDate: '2026-01-01' },
    features: () => [],
  };
}

/** A console on a free port of the loopback, stopped at the end of the scope. */
export async function running(
  overrides: ConfigOverrides = {},
  deps: Partial<ConsoleDeps> & { readonly store?: FakeStore } = {},
): Promise<Running> {
  const clock = new ManualClock();
  const store = deps.store ?? fakeStore();
  const all = { ...depsOf(store, clock), ...deps };
  const server = createConsole(configOf(overrides), all);
  await server.start(new AbortController().signal);
  const { port } = server.address();
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    port,
    clock,
    store,
    metrics: all.metrics,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A request whose path and headers are sent unchanged, unlike those of `fetch`. */
export function raw(
  port: number,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    body?: string;
  } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {} } = options;
    const outgoing = request({ port, host: '127.0.0.1', path, method, headers }, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => {
        body += piece;
      });
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(options.body);
  });
}

/** A promise and the functions that settle it. */
export function gate<T = void>() {
  return Promise.withResolvers<T>();
}

/** Value of a metric, by its exposed name and labels (`name{label="x"}`). */
export async function metricValue(metrics: Metrics, line: string): Promise<number | undefined> {
  const text = await metrics.registry.metrics();
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return found === undefined ? undefined : Number(found.slice(line.length + 1));
}
