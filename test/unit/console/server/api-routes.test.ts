import { once } from 'node:events';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { NetobservError } from '../../../../src/base/errors.ts';
import type { ApiError, FrontendConfig } from '../../../../src/console/api.ts';
import { errorRow } from '../../../support/error-row.ts';
import { fakeStore, gate, metricValue, raw, running } from './harness.ts';

async function refusal(url: string): Promise<ApiError & { status: number }> {
  const answer = await fetch(url);
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  return { status: answer.status, ...((await answer.json()) as ApiError) };
}

test('records: the store is asked, its rows come back as streams', async () => {
  const row = { TimeFlowEndMs: 5, FlowDirection: 0, Bytes: 42 };
  const store = fakeStore(async () => ({ rows: [row], limitReached: true }));
  await using console = await running({}, { store });
  for (const path of ['/api/flow/records', '/api/loki/flow/records']) {
    const answer = await fetch(`${console.url}${path}?limit=1&packetLoss=hasDrops&filters=`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toMatchObject({
      resultType: 'streams',
      result: [
        {
          stream: { app: 'netobserv-flowcollector', FlowDirection: '0' },
          values: [['5000000', '{"TimeFlowEndMs":5,"Bytes":42}']],
        },
      ],
      stats: { totalEntries: 1, limitReached: true, numQueries: 1 },
      unixTimestamp: console.clock.nowMs() / 1000,
    });
  }
  expect(store.asked).toHaveLength(2);
  expect(store.asked[0]?.query).toMatchObject({ limit: 1, packetLoss: 'hasDrops' });
});

test('metrics: series come back as a matrix', async () => {
  const store = fakeStore(async () => ({
    series: [
      {
        labels: { SrcAddr: '10.0.0.1' },
        points: [
          [10, 1.5],
          [40, 0],
        ],
      },
    ],
    limitReached: false,
  }));
  await using console = await running({}, { store });
  const answer = await fetch(`${console.url}/api/flow/metrics?aggregateBy=SrcAddr&function=avg`);
  expect(await answer.json()).toMatchObject({
    resultType: 'matrix',
    result: [
      {
        metric: { SrcAddr: '10.0.0.1' },
        values: [
          [10, '1.5'],
          [40, '0'],
        ],
      },
    ],
    stats: { totalEntries: 1, limitReached: false },
  });
  expect(store.asked[0]?.query).toMatchObject({ fn: 'avg', type: 'Bytes', groupBy: ['SrcAddr'] });
});

test('values', async () => {
  const store = fakeStore(async () => ['10.0.0.1', '10.0.0.2']);
  await using console = await running({}, { store });
  const answer = await fetch(`${console.url}/api/flow/values?field=SrcAddr&contains=10.`);
  expect(await answer.json()).toEqual({ values: ['10.0.0.1', '10.0.0.2'] });
});

test('status tells of the store, the agent and the branches', async () => {
  const branch = { name: 'b', in: 5, written: 4, filtered: 0, dropped: { full: 1 }, inFlight: 0 };
  await using console = await running(
    {},
    {
      branches: () => [branch],
      agentStatus: () => ({ interfaces: [], features: [], accounting: null, vitals: null }),
    },
  );
  const off = { isEnabled: false, namespacesCount: 0, isReady: false, error: '', errorCode: 0 };
  const answer = await fetch(`${console.url}/api/status`);
  expect(await answer.json()).toEqual({
    loki: off,
    prometheus: off,
    store: {
      kind: 'fake',
      isReady: true,
      error: '',
      rows: 3,
      sizeBytes: 100,
      oldestMs: null,
      newestMs: 7,
    },
    agent: { isEnabled: true, interfaces: [], features: [], accounting: null, vitals: null },
    branches: [branch],
  });
});

test('gates open and close with what is on when the front end asks', async () => {
  const on: string[] = [];
  await using console = await running({}, { features: () => on });
  const ask = async () => {
    const answer = await fetch(`${console.url}/api/frontend-config`);
    const { features, columns } = (await answer.json()) as FrontendConfig;
    return { features, isShown: columns.find(({ id }) => id === 'IPSecStatus')?.default };
  };
  expect(await ask()).toEqual({ features: [], isShown: false });
  on.push('ipsec');
  expect(await ask()).toEqual({ features: ['ipsec'], isShown: true });
});

test('status answers also when the store does not', async () => {
  const store = fakeStore();
  store.status = () => Promise.reject(new Error('disk is gone'));
  await using console = await running({}, { store });
  const answer = await fetch(`${console.url}/api/status`);
  expect(await answer.json()).toMatchObject({
    store: { isReady: false, error: 'disk is gone' },
    agent: { isEnabled: false, accounting: null },
    branches: [],
  });
});

test.each([
  ['flow/records?limit=0', 'limit', 'limit must be a whole number from 1 to 10000'],
  ['flow/records?limit=10001', 'limit', 'from 1 to 10000'],
  ['flow/records?limit=ten', 'limit', 'from 1 to 10000'],
  ['flow/records?limit=1.5', 'limit', 'from 1 to 10000'],
  ['flow/records?limit=1&limit=2', 'limit', 'from 1 to 10000'],
  ['flow/records?limt=1', 'limt', 'there is no parameter limt: did you mean limit?'],
  ['flow/records?startTime=yesterday', 'startTime', 'whole seconds since 1970'],
  ['flow/records?startTime=-1', 'startTime', 'whole seconds since 1970'],
  ['flow/records?timeRange=0', 'timeRange', 'seconds from 1'],
  ['flow/records?recordType=flows', 'recordType', 'one of flowLog, newConnection'],
  ['flow/records?dataSource=elastic', 'dataSource', 'one of auto, loki, prom, store'],
  ['flow/records?packetLoss=some', 'packetLoss', 'one of dropped, hasDrops, sent, all'],
  [`flow/records?filters=${'a'.repeat(24_577)}`, 'filters', 'at most 8192 characters'],
  ['flow/records?filters=SrcPort', 'filters', 'after SrcPort'],
  ['flow/records?filters=SrcPrt=80', 'filters', 'did you mean'],
  ['flow/metrics', 'aggregateBy', 'aggregateBy is missing: it must be a scope'],
  ['flow/metrics?aggregateBy=', 'aggregateBy', 'is missing'],
  ['flow/metrics?aggregateBy=app&function=median', 'function', 'one of count, sum'],
  ['flow/metrics?aggregateBy=app&limit=1001', 'limit', 'from 1 to 1000'],
  ['flow/metrics?aggregateBy=app&step=0s', 'step', 'at least 1s'],
  ['flow/values', 'field', 'field is missing'],
  ['status?verbose=1', 'verbose', 'there is no parameter verbose'],
  ['frontend-config?x=1', 'x', 'this address takes none'],
  ['live?x=1', 'x', 'this address takes none'],
])('%s is refused with its reason', async (path, parameter, message) => {
  await using console = await running();
  const error = await refusal(`${console.url}/api/${path}`);
  expect(error).toMatchObject({ status: 400, code: 'ERR_CONSOLE_PARAMETER', parameter });
  expect(error.message).toContain(message);
  expect(console.store.asked).toEqual([]);
});

test('a data source that is not configured has the original’s flag', async () => {
  await using console = await running();
  expect(await refusal(`${console.url}/api/flow/records?dataSource=loki`)).toMatchObject({
    status: 400,
    lokiDisabled: true,
    parameter: 'dataSource',
  });
});

test('unknown calls and methods are errors in JSON', async () => {
  await using console = await running();
  expect(await refusal(`${console.url}/api/flow/nothing`)).toMatchObject({
    status: 404,
    code: 'ERR_CONSOLE_NOT_FOUND',
  });
  for (const method of ['POST', 'DELETE', 'HEAD', 'OPTIONS']) {
    const answer = await fetch(`${console.url}/api/flow/records`, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('GET');
  }
});

test.each([
  [
    'the query layer',
    new NetobservError(errorRow('ERR_QUERY_FILTER', 'usage'), 'no such key'),
    400,
    'ERR_CONSOLE_PARAMETER',
  ],
  [
    'a question that is too large',
    new NetobservError(errorRow('ERR_STORE_MEMORY', 'limit'), 'too much'),
    400,
    'ERR_CONSOLE_UNSUPPORTED',
  ],
  [
    'a store that is away',
    new NetobservError(errorRow('ERR_STORE_X', 'unavailable'), 'away', { retryable: true }),
    503,
    'ERR_CONSOLE_STORE_UNAVAILABLE',
  ],
  [
    'a store that fails',
    new NetobservError(errorRow('ERR_STORE_X'), 'disk full'),
    500,
    'ERR_CONSOLE_STORE',
  ],
  ['a bug', new Error('secret detail'), 500, 'ERR_CONSOLE_INTERNAL'],
])('errors of %s are mapped', async (_whose, error, status, code) => {
  const store = fakeStore(() => Promise.reject(error));
  await using console = await running({}, { store });
  const answer = await refusal(`${console.url}/api/flow/records`);
  expect(answer).toMatchObject({ status, code });
  expect(answer.message.includes(error.message)).toBe(error instanceof NetobservError);
});

test('a query that takes too long is answered and aborted', async () => {
  const asked = gate();
  const store = fakeStore(() => {
    asked.resolve();
    return gate().promise;
  });
  await using console = await running({ limits: { queryTimeoutMs: 2000 } }, { store });
  const answer = refusal(`${console.url}/api/flow/records`);
  await asked.promise;
  console.clock.jump(2000);
  expect(await answer).toMatchObject({ status: 504, code: 'ERR_CONSOLE_QUERY_TIMEOUT' });
  expect(store.asked[0]?.signal.aborted).toBe(true);
});

test('a client that hangs up aborts its query', async () => {
  const asked = gate<AbortSignal>();
  const store = fakeStore((_kind, _query, signal) => {
    asked.resolve(signal);
    return new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason)),
    );
  });
  await using console = await running({}, { store });
  const outgoing = request({
    port: console.port,
    host: '127.0.0.1',
    path: '/api/flow/metrics?aggregateBy=app',
  });
  outgoing.on('error', () => undefined);
  outgoing.end();
  const signal = await asked.promise;
  expect(signal.aborted).toBe(false);
  const aborted = once(signal, 'abort');
  outgoing.destroy();
  await aborted;
  expect(signal.reason).toMatchObject({ code: 'ERR_CONSOLE_CLIENT_GONE' });
});

test('busy: more queries than may run and wait', async () => {
  const asked = gate();
  const hold = gate<unknown>();
  const store = fakeStore(() => {
    asked.resolve();
    return hold.promise;
  });
  await using console = await running(
    { limits: { concurrentQueriesMax: 1, queuedQueriesMax: 0 } },
    { store },
  );
  const first = fetch(`${console.url}/api/flow/values?field=Proto`);
  await asked.promise;
  const second = await fetch(`${console.url}/api/flow/values?field=Proto`);
  expect(second.status).toBe(503);
  expect(second.headers.get('retry-after')).toBe('1');
  expect(await second.json()).toMatchObject({ code: 'ERR_CONSOLE_BUSY' });
  hold.resolve([]);
  expect((await first).status).toBe(200);
});

test('a reader that does not read is bounded: the next records answer is refused', async () => {
  const row = { TimeFlowEndMs: 1, SrcK8S_Name: 'x'.repeat(2000) };
  const rows = Array.from({ length: 10_000 }, () => row);
  const store = fakeStore(async () => ({ rows, limitReached: false }));
  await using console = await running({ limits: { recordAnswersMax: 1 } }, { store });
  const outgoing = request({ port: console.port, host: '127.0.0.1', path: '/api/flow/records' });
  outgoing.end();
  const [slow] = await once(outgoing, 'response');
  const refused = await fetch(`${console.url}/api/flow/records`);
  expect(refused.status).toBe(503);
  expect(
    await metricValue(
      console.metrics,
      'netobserv_console_rejected_requests_total{reason="answers_busy"}',
    ),
  ).toBe(1);
  let characters = 0;
  for await (const piece of slow) characters += piece.length;
  expect(characters).toBeGreaterThan(20_000_000);
  outgoing.destroy();
});

test('answers are compressed for whoever can read them', async () => {
  const rows = Array.from({ length: 500 }, (_, i) => ({ TimeFlowEndMs: i, Bytes: i }));
  const store = fakeStore(async () => ({ rows, limitReached: false }));
  await using console = await running({}, { store });
  for (const encoding of ['zstd', 'br', 'gzip', 'identity']) {
    const answer = await fetch(`${console.url}/api/flow/records`, {
      headers: { 'accept-encoding': encoding },
    });
    const encoded = answer.headers.get('content-encoding') ?? 'identity';
    expect(encoded).toBe(encoding);
    expect(await answer.json()).toMatchObject({ stats: { totalEntries: 500 } });
  }
});

test('calls are measured by handler and code', async () => {
  await using console = await running();
  await (await fetch(`${console.url}/api/status`)).text();
  await (await fetch(`${console.url}/api/flow/records?limit=x`)).text();
  const count = (handler: string, code: number) =>
    metricValue(
      console.metrics,
      `netobserv_http_api_calls_duration_count{handler="${handler}",code="${code}"}`,
    );
  await expect.poll(() => count('/api/status', 200)).toBe(1);
  await expect.poll(() => count('/api/flow/records', 400)).toBe(1);
});

test('an address that is no valid path', async () => {
  await using console = await running();
  const answer = await raw(console.port, '/api/%zz');
  expect(answer.status).toBe(400);
  expect(JSON.parse(answer.body)).toMatchObject({ code: 'ERR_CONSOLE_BAD_REQUEST' });
});
