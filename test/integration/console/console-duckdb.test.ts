import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type {
  MetricsResponse,
  RecordsResponse,
  StatusResponse,
  ValuesResponse,
} from '../../../src/console/api.ts';
import { DEFAULT_LIMITS } from '../../../src/console/server/config.ts';
import { type Console, createConsole } from '../../../src/console/server/root.ts';
import { BATCH_CAPACITY_ROWS, BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { DUCKDB_DEFAULTS } from '../../../src/store/duckdb/config.ts';
import { createDuckdbStore } from '../../../src/store/duckdb/root.ts';
import type { FlowStore } from '../../../src/store/store.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';

/** The console over HTTP with the real store in memory, filled with flows whose sums are known. */

const FLOWS = 32 * BATCH_CAPACITY_ROWS;
/** One flow every 10 ms up to this time. */
const NEWEST_MS = Date.UTC(2026, 0, 1);
const OLDEST_MS = NEWEST_MS - (FLOWS - 1) * 10;

const LAYOUT = new BatchLayout([
  { name: 'TimeFlowStartMs', kind: 'f64' },
  { name: 'TimeFlowEndMs', kind: 'f64' },
  { name: 'SrcAddr', kind: 'addr' },
  { name: 'DstAddr', kind: 'addr' },
  { name: 'SrcPort', kind: 'u16' },
  { name: 'DstPort', kind: 'u16' },
  { name: 'Proto', kind: 'u8' },
  { name: 'FlowDirection', kind: 'u8' },
  { name: 'Bytes', kind: 'f64' },
  { name: 'Packets', kind: 'f64' },
  { name: 'Interfaces', kind: 'list<str>' },
  { name: 'TimeFlowRttNs', kind: 'f64' },
]);

const bytesOf = (index: number): number => 100 + (index % 7);
const sourceOf = (index: number): string => `10.0.0.${1 + (index % 4)}`;

function batchFrom(tables: TableSpace, first: number): FlowBatch {
  const batch = new FlowBatch(LAYOUT, tables.current);
  batch.length = BATCH_CAPACITY_ROWS;
  const { addresses, strings } = tables.current;
  const interfaces = batch.list('Interfaces');
  const destination = addresses.internText('fd00::1');
  for (let row = 0; row < batch.length; row++) {
    const index = first + row;
    batch.f64('TimeFlowStartMs')[row] = OLDEST_MS + index * 10 - 5;
    batch.f64('TimeFlowEndMs')[row] = OLDEST_MS + index * 10;
    batch.ids('SrcAddr')[row] = addresses.internText(sourceOf(index));
    batch.ids('DstAddr')[row] = destination;
    batch.u16('SrcPort')[row] = 40_000 + (index % 1000);
    batch.u16('DstPort')[row] = index % 2 === 0 ? 443 : 53;
    batch.u8('Proto')[row] = index % 2 === 0 ? 6 : 17;
    batch.u8('FlowDirection')[row] = index % 2;
    batch.f64('Bytes')[row] = bytesOf(index);
    batch.f64('Packets')[row] = 1;
    batch.f64('TimeFlowRttNs')[row] = 2_500_000;
    interfaces.values[row] = strings.intern('eth0');
    interfaces.offsets[row + 1] = row + 1;
  }
  for (const { name, kind } of LAYOUT.columns) {
    if (kind.startsWith('u') || kind === 'f64') batch.markPresent(name);
  }
  return batch;
}

let store: FlowStore;
let server: Console;
let metrics: Metrics;
let url: string;

beforeAll(async () => {
  metrics = createMetrics('netobserv_');
  const tables = new TableSpace();
  const shared = { log: createLog('silent'), metrics, clock: systemClock };
  const never = new AbortController().signal;
  // The flows have a fixed time in the past; the retention must not drop them.
  const config = { ...DUCKDB_DEFAULTS, retentionMs: 100 * 365 * 86_400_000 };
  store = createDuckdbStore(config, { ...shared, tables });
  await store.start(never);
  for (let first = 0; first < FLOWS; first += BATCH_CAPACITY_ROWS) {
    await store.append(batchFrom(tables, first));
  }
  server = createConsole(
    {
      listen: { host: '127.0.0.1', port: 0 },
      allowedHosts: [],
      frontend: {
        recordTypes: ['flowLog'],
        sampling: 1,
        portNaming: { enable: true, portNames: {} },
        quickFilters: [],
      },
      limits: DEFAULT_LIMITS,
    },
    { ...shared, store, version: { version: '1', buildDate: '' }, features: () => [] },
  );
  await server.start(never);
  url = server.address().url;
});

afterAll(async () => {
  await server.stop();
  await store.stop();
});

const WHOLE = `startTime=${Math.floor(OLDEST_MS / 1000)}&endTime=${NEWEST_MS / 1000}`;

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(`${url}/api/${path}`);
  const text = await answer.text();
  expect(`${answer.status} ${answer.ok ? '' : text}`).toBe('200 ');
  return JSON.parse(text) as T;
}

/** Rows as the front end assembles them, newest first. */
function rowsOf(response: RecordsResponse): Record<string, unknown>[] {
  return response.result
    .flatMap(({ stream, values }) =>
      values.map(([at, line]) => ({ at: BigInt(at), row: { ...stream, ...JSON.parse(line) } })),
    )
    .sort((a, b) => Number(b.at - a.at))
    .map(({ row }) => row);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const indexes = Array.from({ length: FLOWS }, (_, index) => index);

test('the newest flows come first, with every field that they had', async () => {
  const answer = await get<RecordsResponse>(`flow/records?${WHOLE}&limit=3`);
  expect(answer.stats).toMatchObject({ totalEntries: 3, limitReached: true });
  const rows = rowsOf(answer);
  expect(rows.map((row) => row.TimeFlowEndMs)).toEqual([NEWEST_MS, NEWEST_MS - 10, NEWEST_MS - 20]);
  expect(rows[0]).toEqual({
    app: 'netobserv-flowcollector',
    FlowDirection: '1',
    TimeFlowStartMs: NEWEST_MS - 5,
    TimeFlowEndMs: NEWEST_MS,
    SrcAddr: sourceOf(FLOWS - 1),
    DstAddr: 'fd00::1',
    SrcPort: 40_000 + ((FLOWS - 1) % 1000),
    DstPort: 53,
    Proto: 17,
    Bytes: bytesOf(FLOWS - 1),
    Packets: 1,
    Interfaces: ['eth0'],
    TimeFlowRttNs: 2_500_000,
  });
});

test('ten thousand rows in one answer', async () => {
  const answer = await get<RecordsResponse>(`flow/records?${WHOLE}&limit=10000`);
  const rows = rowsOf(answer);
  expect(rows).toHaveLength(10_000);
  expect(sum(rows.map((row) => Number(row.Bytes)))).toBe(sum(indexes.slice(-10_000).map(bytesOf)));
});

test.each([
  ['SrcAddr="10.0.0.1"', (index: number) => index % 4 === 0],
  ['SrcAddr=10.0.0.0/31', (index: number) => index % 4 === 0],
  ['Port=443&Addr=10.0.0.3', (index: number) => index % 4 === 2],
  ['Proto=udp', (index: number) => index % 2 === 1],
  ['Proto!=17&SrcPort>=40990', (index: number) => index % 2 === 0 && index % 1000 >= 990],
  ['SrcAddr="10.0.0.1"|SrcAddr="10.0.0.2"', (index: number) => index % 4 < 2],
  ['Interfaces=eth1', () => false],
])('filter %s', async (filters, wanted) => {
  const text = encodeURIComponent(filters);
  // Encoded twice, as by `network-observability-console-plugin`.
  for (const encoded of [text, encodeURIComponent(text)]) {
    const query = `${WHOLE}&filters=${encoded}&type=Flows&function=count&aggregateBy=app&step=1h`;
    const { result } = await get<MetricsResponse>(`flow/metrics?${query}`);
    const counted = sum((result[0]?.values ?? []).map(([, text]) => Number(text)));
    expect(counted).toBe(indexes.filter(wanted).length);
  }
});

test('a time range has all of its last second and nothing after', async () => {
  const at = NEWEST_MS / 1000 - 10;
  const answer = await get<RecordsResponse>(`flow/records?startTime=${at}&endTime=${at}&limit=500`);
  expect(rowsOf(answer)).toHaveLength(100);
});

test('sums by address are exact, largest first, and add up to the total', async () => {
  const query = `${WHOLE}&type=Bytes&function=sum&step=1h`;
  const [total] = (await get<MetricsResponse>(`flow/metrics?${query}&aggregateBy=app`)).result;
  expect(total?.metric).toEqual({ app: 'netobserv-flowcollector' });
  expect(sum(total?.values.map(([, text]) => Number(text)) ?? [])).toBe(sum(indexes.map(bytesOf)));

  const { result } = await get<MetricsResponse>(`flow/metrics?${query}&aggregateBy=SrcAddr`);
  const bySource = result.map(({ metric, values }) => ({
    source: metric.SrcAddr,
    bytes: sum(values.map(([, text]) => Number(text))),
  }));
  const wanted = [0, 1, 2, 3].map((rest) => ({
    source: sourceOf(rest),
    bytes: sum(indexes.filter((index) => index % 4 === rest).map(bytesOf)),
  }));
  expect(bySource).toEqual(wanted.sort((a, b) => b.bytes - a.bytes));
});

test('a rate is per second', async () => {
  const query = `${WHOLE}&type=Packets&aggregateBy=app&step=10s&rateInterval=30s`;
  const { result } = await get<MetricsResponse>(`flow/metrics?${query}`);
  const values = (result[0]?.values ?? []).map(([, text]) => Number(text));
  // A hundred flows a second with one packet each, except in the first windows and the last step.
  expect(values.slice(4, -2).every((value) => Math.abs(value - 100) < 0.5)).toBe(true);
  expect(values.length).toBeGreaterThan(10);
});

test('round-trip times are in milliseconds, as the original tells them', async () => {
  const query = `${WHOLE}&type=TimeFlowRttNs&function=p99&aggregateBy=app&step=1h`;
  const { result } = await get<MetricsResponse>(`flow/metrics?${query}`);
  expect(Number(result[0]?.values.at(-1)?.[1])).toBeCloseTo(2.5, 6);
});

test('the finest scope of the original can be asked for', async () => {
  const query = `${WHOLE}&function=sum&aggregateBy=resource&step=1h`;
  const { result } = await get<MetricsResponse>(`flow/metrics?${query}`);
  expect(result).toHaveLength(4);
  expect(result[0]?.metric).toMatchObject({ DstAddr: 'fd00::1', SrcK8S_Name: '' });
});

test('values are those that were seen', async () => {
  const query = `flow/values?field=SrcAddr&contains=10.0.0.&${WHOLE}`;
  const { values } = await get<ValuesResponse>(query);
  expect([...values].sort()).toEqual([0, 1, 2, 3].map(sourceOf));
});

test('status knows the rows and their times', async () => {
  const { store: status } = await get<StatusResponse>('status');
  expect(status).toMatchObject({
    kind: 'duckdb',
    isReady: true,
    error: '',
    rows: FLOWS,
    oldestMs: OLDEST_MS,
    newestMs: NEWEST_MS,
  });
});

test('many at once are all answered', async () => {
  const queries = Array.from({ length: 40 }, (_, index) =>
    get<MetricsResponse>(
      `flow/metrics?${WHOLE}&aggregateBy=SrcPort&limit=5&step=${30 + index}s&function=sum`,
    ),
  );
  for (const { result } of await Promise.all(queries)) expect(result).toHaveLength(5);
});

async function counter(line: string): Promise<number> {
  const text = await metrics.registry.metrics();
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return Number(found?.slice(line.length + 1) ?? 0);
}

test('a client that hangs up stops the work in the database', async () => {
  const cancelled = 'netobserv_store_queries_total{kind="metrics",result="cancelled"}';
  const before = await counter(cancelled);
  // A quantile of each of 131,000 series, which takes much longer than a moment.
  const path =
    `/api/flow/metrics?${WHOLE}&aggregateBy=SrcAddr,SrcPort,DstPort,TimeFlowEndMs` +
    '&function=p99&step=1s&limit=500';
  const { hostname, port } = new URL(url);
  const asked = Promise.withResolvers<void>();
  const ask = store.metrics.bind(store);
  store.metrics = (query, signal) => {
    asked.resolve();
    return ask(query, signal);
  };
  const outgoing = request({ host: hostname, port, path });
  outgoing.on('error', () => undefined);
  outgoing.end();
  await asked.promise;
  outgoing.destroy();
  await expect.poll(() => counter(cancelled)).toBe(before + 1);
  await expect.poll(() => counter('netobserv_console_queries_running')).toBe(0);
  expect(await get<StatusResponse>('status')).toMatchObject({ store: { isReady: true } });
});
