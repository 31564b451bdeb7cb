import { systemClock } from '../../../src/base/clock.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import type { StatusResponse } from '../../../src/console/api.ts';
import { DEFAULT_LIMITS } from '../../../src/console/server/config.ts';
import type { WrittenRows } from '../../../src/console/server/live.ts';
import { createConsole } from '../../../src/console/server/root.ts';
import type { Feature } from '../../../src/flow/field.ts';
import type { Filter, FlowRow, MetricQuery, Series } from '../../../src/query/ast.ts';
import { summandOf } from '../../../src/query/metrics.ts';
import type { Comparison } from '../../../src/query/numbers.ts';
import { addressNumber, type ReadMatch, readMatch, type Test } from '../../../src/query/values.ts';
import type { FlowStore, StoreStatus } from '../../../src/store/store.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { labelsOf } from '../models/filter-model.ts';
import { createRandom, makeFlow } from './mock-flows.ts';

export interface MockOptions {
  readonly webRoot: string;
  readonly port?: number;
  readonly token?: string;
  /** Flows made per second, by a generator with a fixed seed; 0 leaves the store empty. */
  readonly flowsPerSecond?: number;
  /** Seconds of history at the start. */
  readonly historyS?: number;
  /** Open gates; the console shows no panels of others. */
  readonly features?: readonly Feature[];
  /** Minimum milliseconds of every query. */
  readonly delayMs?: number;
  /** State that the store reports, besides its contents; read each time. */
  readonly storeSays?: () => Pick<StoreStatus, 'error' | 'warnings'>;
}

export interface MockConsole {
  readonly url: string;
  /** Number of browsers with an open stream of events. */
  liveClients(): Promise<number>;
  stop(): Promise<void>;
}

/** The real console server with made-up flows: for working on the front end without a kernel. */
export async function startMockConsole(options: MockOptions): Promise<MockConsole> {
  const { flowsPerSecond = 20, historyS = 3600, token } = options;
  const rows: FlowRow[] = [];
  const listeners = new Set<(written: WrittenRows) => void>();
  const random = createRandom(7);
  const add = (atMs: number, count: number): void => {
    const added = Array.from({ length: count }, () => makeFlow(random, atMs));
    rows.push(...added);
    const written = { flows: count, bytes: sum(added, 'Bytes'), packets: sum(added, 'Packets') };
    for (const listener of listeners) listener(written);
  };
  const nowMs = Date.now();
  for (let s = historyS; s > 0; s--) add(nowMs - s * 1000, Math.round(flowsPerSecond * wave(s)));
  const timer = setInterval(() => {
    if (flowsPerSecond > 0) add(Date.now(), Math.ceil(flowsPerSecond * random()));
  }, 1000);

  const metrics = createMetrics('');
  const server = createConsole(
    {
      listen: { host: '127.0.0.1', port: options.port ?? 0 },
      webRoot: options.webRoot,
      allowedHosts: [],
      ...(token === undefined ? {} : { token: () => token }),
      frontend: {
        recordTypes: ['flowLog'],
        sampling: 1,
        portNaming: { enable: true, portNames: { '3100': 'loki' } },
        quickFilters: [],
      },
      limits: DEFAULT_LIMITS,
    },
    {
      log: createLog('error'),
      metrics,
      clock: systemClock,
      store: memoryStore(rows, options),
      version: { version: '0.1.0', buildDate: 'mock' },
      features: () => options.features ?? ['pktDrop', 'dnsTracking', 'flowRTT'],
      agentStatus: () => AGENT,
      subscribe(listener) {
        listeners.add(listener);
        return { [Symbol.dispose]: () => listeners.delete(listener) };
      },
    },
  );
  const abort = new AbortController();
  await server.start(abort.signal);
  return {
    url: server.address().url,
    async liveClients() {
      return Number(
        /^console_live_clients (\d+)$/m.exec(await metrics.registry.metrics())?.[1] ?? 0,
      );
    },
    async stop() {
      clearInterval(timer);
      abort.abort();
      await server.stop();
    },
  };
}

const AGENT: Omit<StatusResponse['agent'], 'isEnabled'> = {
  interfaces: ['eth0', 'wlan0', 'docker0', 'lo'].map((name, index) => ({
    name,
    index: index + 1,
    namespace: '',
    mode: 'tcx',
    directions: ['ingress', 'egress'],
  })),
  features: [
    { name: 'rtt', state: 'on' },
    { name: 'drops', state: 'unavailable', why: 'load BPF object: EPERM' },
  ],
  accounting: {
    seenPackets: 1_204_815,
    seenBytes: 912_004_113,
    recordedPackets: 1_204_403,
    recordedBytes: 911_987_001,
    sampledOutPackets: 0,
    sampledOutBytes: 0,
    filteredPackets: 0,
    filteredBytes: 0,
    unrecorded: {
      not_ip: { packets: 318, bytes: 13_356 },
      malformed: { packets: 0, bytes: 0 },
      map_full: { packets: 94, bytes: 3756 },
    },
    incomplete: { message_lost: 0 },
  },
  vitals: {
    mapEntries: 5000,
    mapFill: 0.04,
    mapFillMax: 0.41,
    drainMs: 21.4,
    drainMsMax: 48.9,
    bpfBytes: 3_412_992,
    probeMisses: 0,
  },
};

function wave(s: number): number {
  return 0.7 + 0.3 * Math.sin(s / 90);
}

function memoryStore(
  rows: readonly FlowRow[],
  { delayMs = 0, storeSays = () => ({}) }: Pick<MockOptions, 'delayMs' | 'storeSays'>,
): FlowStore {
  const wait = (signal: AbortSignal): Promise<void> =>
    delayMs === 0 ? Promise.resolve() : systemClock.sleep(delayMs, signal);
  const within = (range: MetricQuery['range'], filter: Filter): readonly FlowRow[] => {
    const holds = compile(filter);
    return rows.filter((row) => {
      const endMs = Number(row.TimeFlowEndMs);
      return endMs >= range.startMs && endMs < range.endMs && holds(row);
    });
  };
  return {
    start: async () => undefined,
    stop: async () => undefined,
    append: async () => undefined,
    flush: async () => undefined,
    async status() {
      const said = storeSays();
      const ready = said.error === undefined;
      const endMs = (row: FlowRow | undefined): number => Number(row?.TimeFlowEndMs);
      const ends = { oldestMs: endMs(rows[0]), newestMs: endMs(rows.at(-1)) };
      const kept = rows.length === 0 ? {} : ends;
      return { kind: 'memory', ready, rows: rows.length, sizeBytes: 0, ...kept, ...said };
    },
    async records(query, signal) {
      await wait(signal);
      const found = within(query.range, query.filter).toSorted(
        (a, b) => Number(b.TimeFlowEndMs) - Number(a.TimeFlowEndMs),
      );
      return { rows: found.slice(0, query.limit), limitReached: found.length > query.limit };
    },
    async metrics(query, signal) {
      await wait(signal);
      return toSeries(within(query.range, query.filter), query);
    },
    async values(query, signal) {
      await wait(signal);
      const found = new Set<string>();
      for (const row of within(query.range, { kind: 'and', terms: [] })) {
        for (const value of [row[query.field]].flat())
          if (value !== undefined) found.add(String(value));
      }
      const wanted = query.contains.toLowerCase();
      return [...found]
        .filter((value) => value.toLowerCase().includes(wanted))
        .slice(0, query.limit);
    },
  };
}

function toSeries(rows: readonly FlowRow[], query: MetricQuery) {
  const { startMs, endMs } = query.range;
  const steps = Math.max(1, Math.ceil((endMs - startMs) / query.stepMs));
  const groups = new Map<
    string,
    { labels: Record<string, string>; sums: number[]; total: number }
  >();
  for (const row of rows) {
    const { field, having } = summandOf(query.type);
    if (having.length > 0 && having.every(({ name }) => row[name] === undefined)) continue;
    const value = field === undefined ? 1 : Number(row[field.name] ?? 0);
    const step = Math.floor((Number(row.TimeFlowEndMs) - startMs) / query.stepMs);
    for (const key of labelsOf(query.groupBy, row)) {
      const group = groups.get(key) ?? {
        labels: JSON.parse(key) as Record<string, string>,
        sums: new Array<number>(steps).fill(0),
        total: 0,
      };
      groups.set(key, group);
      group.sums[step]! += value;
      group.total += value;
    }
  }
  const ranked = [...groups.values()].sort((a, b) => b.total - a.total);
  const scale = query.fn === 'rate' ? 1000 / query.stepMs : 1;
  const series: Series[] = ranked.slice(0, query.limit).map(({ labels, sums }) => ({
    labels,
    points: sums.map((value, step) => [
      Math.floor((startMs + step * query.stepMs) / 1000),
      value * scale,
    ]),
  }));
  return { series, limitReached: ranked.length > query.limit };
}

function compile(filter: Filter): (row: FlowRow) => boolean {
  if (filter.kind === 'match') {
    const match = readMatch(filter);
    return (row) => holds(match, row);
  }
  const terms = filter.terms.map(compile);
  return filter.kind === 'and'
    ? (row) => terms.every((term) => term(row))
    : (row) => terms.some((term) => term(row));
}

function holds({ negative, fields }: ReadMatch, row: FlowRow): boolean {
  const hit = fields.some(({ field, tests }) =>
    tests.some((test) => {
      const values = [row[field.name]].flat().filter((value) => value !== undefined);
      return test.kind === 'empty'
        ? values.length === 0
        : values.some((value) => passes(test, value));
    }),
  );
  return hit !== negative;
}

function passes(test: Test, value: unknown): boolean {
  const text = String(value).toLowerCase();
  switch (test.kind) {
    case 'empty':
      return false;
    case 'equals':
      return value === test.value;
    case 'compare':
      return compares(Number(value), test.comparison, test.value);
    case 'within':
      return Number(value) >= test.low && Number(value) <= test.high;
    case 'bits':
      return (Number(value) & test.value) === test.value;
    case 'between': {
      const bytes = parseAddress(String(value));
      const number = bytes === undefined ? -1n : addressNumber(bytes);
      return number >= test.low && number <= test.high;
    }
    case 'text':
      return String(value) === test.text;
    case 'glob':
      return globToRegExp(test.text).test(text);
    case 'contains':
      return text.includes(test.text.toLowerCase());
  }
}

function compares(value: number, comparison: Comparison, bound: number): boolean {
  switch (comparison) {
    case '>=':
      return value >= bound;
    case '>':
      return value > bound;
    case '<=':
      return value <= bound;
    case '<':
      return value < bound;
  }
}

function globToRegExp(glob: string): RegExp {
  const parts = glob.toLowerCase().split('*');
  return new RegExp(
    `^${parts.map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`,
  );
}

function sum(rows: readonly FlowRow[], field: string): number {
  return rows.reduce((total, row) => total + Number(row[field]), 0);
}
