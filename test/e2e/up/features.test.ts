/** What features find out, as the console's API tells it: columns, gates and time series. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import type { FrontendConfig, MetricsResponse } from '../../../src/console/api.ts';
import { LabPair, ONLY_TESTS } from '../../support/lab-pair.ts';
import { Lab } from '../../support/netns.ts';
import { requireRoot } from '../../support/require.ts';
import { startUp, type UpHost } from '../../support/up-host.ts';

const SOON = { timeout: 20_000, interval: 100 } as const;
const START_TIMEOUT_MS = 60_000;
const CLOSED_PORT = 5003;
const DROPPED = 40;

describe.skipIf(requireRoot())('features', () => {
  let lab: Lab;
  let up: UpHost;
  let pair: LabPair;
  let left: string;
  let right: string;

  beforeAll(async () => {
    lab = new Lab();
    left = lab.namespace('left');
    right = lab.namespace('right');
    pair = new LabPair(lab, left, right);
    pair.giveAddresses('10.111.0');
    up = await startUp([
      ...['--interfaces', ONLY_TESTS, '--cache-active-timeout', '200ms'],
      ...['--features', 'rtt,drops,dns,tcp-health,processes'],
    ]);
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await up?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  }, START_TIMEOUT_MS);

  async function get<Answer>(path: string): Promise<Answer> {
    const answer = await fetch(`${up.url}${path}`);
    expect(answer.status, path).toBe(200);
    return (await answer.json()) as Answer;
  }

  /** The values of a metric by the names of its series. */
  async function series(type: string, fn: string, aggregateBy: string) {
    const query = new URLSearchParams({ type, function: fn, aggregateBy, timeRange: '3600' });
    const { result } = await get<MetricsResponse>(`/api/flow/metrics?${query}`);
    return result.map(({ metric, values }) => ({
      name: metric[aggregateBy],
      total: values.reduce((sum, [, value]) => sum + Number(value), 0),
      max: Math.max(...values.map(([, value]) => Number(value))),
    }));
  }

  test('are on, and open the gates of their columns', async () => {
    const { agent } = await up.status();
    expect(agent.features.map(({ name, state }) => `${name} ${state}`).sort()).toEqual(
      ['dns on', 'drops on', 'processes on', 'rtt on', 'tcp-health on'].sort(),
    );
    const config = await get<FrontendConfig>('/api/frontend-config');
    expect(config.features).toEqual(
      expect.arrayContaining(['flowRTT', 'pktDrop', 'dnsTracking', 'tcpHealth', 'processes']),
    );
    const shown = config.columns.filter((column) => column.default).map(({ id }) => id);
    expect(shown).toEqual(expect.arrayContaining(['TimeFlowRttMs', 'DNSLatency']));
  });

  test('drops by their cause, as often as the kernel says', async () => {
    const [, address] = pair.v4;
    const before = lab.snmp(right, 'Udp', 'NoPorts');
    await lab.cast(left, { address, port: CLOSED_PORT, count: DROPPED, sizeBytes: 64 });
    const refused = lab.snmp(right, 'Udp', 'NoPorts') - before;
    expect(refused).toBe(DROPPED);
    await expect
      .poll(() => series('PktDropPackets', 'sum', 'PktDropLatestDropCause'), SOON)
      .toContainEqual(
        expect.objectContaining({ name: 'SKB_DROP_REASON_NO_SOCKET', total: refused }),
      );
  });

  test('round-trip times, and whose sockets they are', async () => {
    const [, address] = pair.v4;
    await lab.tcp(left, right, { address, port: 5001, sendBytes: 3e6, replyBytes: 1000 });
    await expect
      .poll(async () => (await series('TimeFlowRttNs', 'max', 'app'))[0]?.max, SOON)
      .toBeGreaterThan(0);
    const rows = await up.rows('DstPort=5001');
    expect(rows.length).toBeGreaterThan(0);
    expect(new Set(rows.map((row) => row.ProcessName))).toEqual(new Set(['traffic']));
  });

  test('DNS by response code', async () => {
    const [, server] = pair.v4;
    const script = join(ROOT, 'test/support/dns-server.ts');
    await lab.service(right, /ready/, process.execPath, script, server, '53');
    lab.inside(left, 'dig', `@${server}`, '-u', '+tries=1', '+time=2', 'www.example.com', 'A');
    await expect
      .poll(() => series('DnsFlows', 'count', 'DnsFlagsResponseCode'), SOON)
      .toContainEqual(expect.objectContaining({ name: 'NoError' }));
    const latency = await series('DnsLatencyMs', 'avg', 'app');
    expect(latency[0]?.max).toBeGreaterThan(0);
    const [row] = await up.rows('DnsName="www.example.com"');
    expect(row).toMatchObject({ DnsQueryType: 'A', Proto: 17 });
  });
});
