/**
 * Results of the features in the console's API, with all of them on: columns, gates and time
 * series, compared with those of the kernel and of the communicating programs.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import type { FrontendConfig, MetricsResponse } from '../../../src/console/api.ts';
import { openPorts } from '../../support/kernel/open-ports.ts';
import { SLOW_MS } from '../../support/lab/dns-server.ts';
import { echoClient, echoServer } from '../../support/lab/echo.ts';
import { LabPair, ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { startUp, type UpHost } from '../../support/processes/up-host.ts';
import { requireProgram, requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 100 } as const;
const START_TIMEOUT_MS = 60_000;
const OPENSSL = '/usr/bin/openssl';
const NFT = '/usr/sbin/nft';
const ECHO_PORT = 5002;
const CLOSED_PORT = 5003;
/** Port of a process that accepts everything. */
const SINK_PORT = 9;
const MARK_PORT = 5006;
const PROCESS_PORT = 5001;
const TUNNEL_PORT = 5004;
const REDIRECTED_PORT = 8080;
const LISTEN_PORT = 5005;
const TLS_PORT = 8443;
const DROPPED = 40;
const CONNECTIONS = 4;

/** Gates that each feature opens, by the feature's name. */
const GATES: Readonly<Record<string, readonly string[]>> = {
  rtt: ['flowRTT'],
  drops: ['pktDrop'],
  dns: ['dnsTracking'],
  tls: ['tlsTracking'],
  quic: ['quicTracking'],
  'tcp-health': ['tcpHealth'],
  processes: ['processes'],
  tunnels: ['tunnels'],
  nat: ['packetTranslation'],
  openssl: ['openssl'],
  ipsec: ['ipsec'],
  'network-events': ['networkEvents', 'pktDrop'],
  udn: ['udnMapping'],
};

/** Columns that a feature shows by default, by its gate. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  flowRTT: ['TimeFlowRttMs'],
  dnsTracking: ['DNSLatency', 'DNSResponseCode'],
  tlsTracking: ['TLSVersion'],
  quicTracking: ['QuicVersion'],
  processes: ['ProcessName', 'Workload'],
  packetTranslation: ['XlatZoneId', 'XlatSrcK8S_Object', 'XlatDstK8S_Object'],
  ipsec: ['IPSecStatus'],
  networkEvents: ['NetworkEvents'],
};

/** A TLS server with Node's own OpenSSL, which is not a library that the agent watches. */
const TLS_SERVER = `
const fs = require('node:fs');
const [cert, key] = process.argv.slice(1).map((path) => fs.readFileSync(path));
const server = require('node:tls').createServer({ cert, key }, (socket) => {
  socket.on('error', () => undefined);
  socket.resume();
});
server.listen(${TLS_PORT}, () => console.log('ready'));
`;

/** A datagram with a long header of QUIC version 1 (RFC 8999 §5.1). */
const QUIC_CLIENT = `
const packet = Buffer.alloc(1200);
packet[0] = 0xc0;
packet.writeUInt32BE(1, 1);
packet[5] = 8;
const socket = require('node:dgram').createSocket('udp4');
socket.send(packet, 443, process.argv[1], () => socket.close());
`;

describe.skipIf(requireRoot() || requireProgram(OPENSSL) || requireProgram(NFT))('features', () => {
  let lab: Lab;
  let up: UpHost;
  let pair: LabPair;
  let left: string;
  let right: string;
  let folder: string;

  beforeAll(async () => {
    lab = new Lab();
    folder = mkdtempSync(join(tmpdir(), 'netobserv-features-'));
    left = lab.namespace('left');
    right = lab.namespace('right');
    pair = new LabPair(lab, left, right);
    pair.giveAddresses('10.111.0');
    up = await startUp([
      ...['--interfaces', ONLY_TESTS, '--cache-active-timeout', '200ms'],
      ...['--features', 'all'],
    ]);
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await up?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  }, START_TIMEOUT_MS);

  /** The values of a metric by the names of its series. */
  async function series(
    type: string,
    fn: string,
    aggregateBy: string,
    filters = '',
  ): Promise<Record<string, number>> {
    const asked = { type, function: fn, aggregateBy, filters, timeRange: '3600', step: '1h' };
    const { result } = await get<MetricsResponse>(up, 'api/flow/metrics', asked);
    return Object.fromEntries(
      result.map(({ metric, values }) => [
        metric[aggregateBy],
        values.reduce((total, [, value]) => total + Number(value), 0),
      ]),
    );
  }

  test('only the console is open to others', () => {
    const { port } = new URL(up.url);
    expect(openPorts(up.program.child.pid!)).toEqual([`tcp ${port}`]);
  });

  test('those that are on open the gates of their columns, and no others do', async () => {
    const { agent } = await up.status();
    const on = agent.features.filter(({ state }) => state === 'on').map(({ name }) => name);
    expect(on).toEqual(
      expect.arrayContaining([
        ...['rtt', 'drops', 'dns', 'tls', 'quic', 'tcp-health'],
        ...['processes', 'tunnels', 'nat', 'openssl'],
      ]),
    );
    for (const { state, why } of agent.features) {
      expect(why === undefined || why === '').toBe(state === 'on');
    }
    const config = await get<FrontendConfig>(up, 'api/frontend-config');
    const gates = new Set(on.flatMap((name) => GATES[name] ?? []));
    expect(config.features.toSorted()).toEqual(['location', 'subnetLabels', ...gates].toSorted());
    const shown = config.columns.filter((column) => column.default && column.feature !== undefined);
    expect(shown.map(({ id }) => id).toSorted()).toEqual(
      [...gates].flatMap((gate) => SHOWN[gate] ?? []).toSorted(),
    );
  });

  test('drops by their cause, as often as the kernel says', async () => {
    const [, address] = pair.v4;
    const before = lab.snmp(right, 'Udp', 'NoPorts');
    await lab.cast(left, { address, port: CLOSED_PORT, count: DROPPED, sizeBytes: 64 });
    const refused = lab.snmp(right, 'Udp', 'NoPorts') - before;
    expect(refused).toBe(DROPPED);
    const filters = `DstPort=${CLOSED_PORT}`;
    await expect
      .poll(() => series('PktDropPackets', 'sum', 'PktDropLatestDropCause', filters), SOON)
      .toEqual({ SKB_DROP_REASON_NO_SOCKET: refused });
  });

  test('drops of a full queue, as often as it counts', async () => {
    await lab.resident(right);
    const { drops } = await throughQueue('1mbit', '4000', () =>
      lab.cast(left, { address: pair.v4[1], port: SINK_PORT, count: 500, sizeBytes: 1000 }),
    );
    expect(drops).toBeGreaterThan(100);
    const causes = () =>
      series('PktDropPackets', 'sum', 'PktDropLatestDropCause', `DstPort=${SINK_PORT}`);
    await expect.poll(async () => sum(await causes()), SOON).toBe(drops);
    for (const cause of Object.keys(await causes())) {
      expect(cause).toMatch(/^SKB_DROP_REASON_QDISC_/);
    }
  });

  test('drops by the state of their connections, and whose sockets those are', async () => {
    const [, address] = pair.v4;
    const exchange = { address, port: PROCESS_PORT, sendBytes: 3e6, replyBytes: 1000 };
    await throughQueue('20mbit', '64000', () => lab.tcp(left, right, exchange));
    const filters = `DstPort=${PROCESS_PORT}`;
    const states = () => series('PktDropPackets', 'sum', 'PktDropLatestState', filters);
    await expect
      .poll(states, SOON)
      .toMatchObject({ TCP_ESTABLISHED: expect.toSatisfy((packets: number) => packets > 0) });
    const rows = await up.rows(filters);
    expect(new Set(rows.map((row) => row.ProcessName))).toEqual(new Set(['traffic']));
  });

  /** Drops of some traffic by a queue of that many bytes in front of the wire. */
  async function throughQueue(rate: string, limit: string, traffic: () => Promise<void>) {
    const queue = ['tbf', 'rate', rate, 'burst', '20000', 'limit', limit];
    lab.inside(left, 'tc', 'qdisc', 'add', 'dev', pair.a, 'root', ...queue);
    await traffic();
    const text = lab.inside(left, 'tc', '-s', '-j', 'qdisc', 'show', 'dev', pair.a, 'root');
    lab.inside(left, 'tc', 'qdisc', 'del', 'dev', pair.a, 'root');
    const [qdisc] = JSON.parse(text) as [{ readonly drops: number }];
    return qdisc;
  }

  test('round-trip times are those that the kernel keeps of its sockets', async () => {
    const [, address] = pair.v4;
    await lab.script(right, echoServer(ECHO_PORT));
    const { ask } = await lab.script(left, echoClient(address, ECHO_PORT, CONNECTIONS));
    await ask('hello');
    // Once this packet is in a flow, so are all earlier ones.
    await lab.cast(left, { address, port: MARK_PORT, count: 1, sizeBytes: 64 });
    await expect.poll(async () => (await up.rows(`DstPort=${MARK_PORT}`)).length, SOON).toBe(1);
    const again = `SrcPort=${ECHO_PORT}&TimeFlowEndMs>=${Date.now()}`;
    const before = smoothedUs();
    await ask('again');
    const after = smoothedUs();

    expect(before.size).toBe(CONNECTIONS);
    const ports = [...before.keys()].toSorted();
    for (const fn of ['min', 'avg', 'max', 'p90', 'p99']) {
      const times = () => series('TimeFlowRttNs', fn, 'DstPort', again);
      await expect.poll(async () => Object.keys(await times()).toSorted(), SOON).toEqual(ports);
      const milliseconds = await times();
      for (const [port, us] of before) {
        // A segment reports its socket's earlier values: an acknowledgement may have changed them.
        const told = Math.round(milliseconds[port]! * 1000);
        expect([us, after.get(port)], `${fn} of ${port}`).toContain(told);
      }
    }
  });

  /** Microseconds by the client's port. */
  function smoothedUs(): ReadonlyMap<string, number> {
    const text = lab.inside(left, 'ss', '-tinH', 'dst', pair.v4[1]);
    const sockets = text.matchAll(
      new RegExp(`:(\\d+)\\s+\\S+:${ECHO_PORT}.*\\n.* rtt:([\\d.]+)/`, 'g'),
    );
    return new Map(
      [...sockets].map(([, port, ms]) => [port!, Math.round(Number(ms) * 1000)] as const),
    );
  }

  test('DNS by response code, and the time that a server is known to take', async () => {
    const [, server] = pair.v4;
    const script = join(ROOT, 'test/support/lab/dns-server.ts');
    await lab.service(right, /ready/, process.execPath, script, server, '53');
    const dig = (name: string) =>
      lab.inside(left, 'dig', `@${server}`, '-u', '+tries=1', '+time=2', name, 'A');
    for (const name of ['www.example.com', 'nx.example.com', 'code2.example.com']) dig(name);
    const output = dig('slow.example.com');
    const seenUs = Number(/Query time: (\d+) usec/.exec(output)![1]);

    await expect
      .poll(() => series('DnsFlows', 'count', 'DnsFlagsResponseCode'), SOON)
      .toEqual({ NoError: 2, NXDomain: 1, ServFail: 1 });
    const name = 'DnsName="slow.example.com"';
    const [row, ...others] = await up.rows(name);
    expect(others).toEqual([]);
    expect(row).toMatchObject({ DnsQueryType: 'A', Proto: 17 });
    for (const fn of ['min', 'avg', 'max', 'p90', 'p99']) {
      const latency = (await series('DnsLatencyMs', fn, 'DnsName', name))['slow.example.com'];
      expect(latency, fn).toBe(row?.DnsLatencyMs);
    }
    expect(row?.DnsLatencyMs).toBeGreaterThanOrEqual(SLOW_MS - 1);
    expect(row?.DnsLatencyMs).toBeLessThanOrEqual(seenUs / 1000);
  });

  test('TLS as its client reports it, and the plain text that OpenSSL was given', async () => {
    const { cert, key } = selfSigned();
    const files = { cert: join(folder, 'cert'), key: join(folder, 'key') };
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key);
    await lab.service(right, /ready/, process.execPath, '-e', TLS_SERVER, files.cert, files.key);
    const connect = `${OPENSSL} s_client -connect ${pair.v4[1]}:${TLS_PORT} -servername a.example`;
    const output = lab.inside(left, 'sh', '-c', `echo line | ${connect} 2>&1`);

    const [, version, suite] = /New, (TLSv[\d.]+), Cipher is (\S+)/.exec(output)!;
    const filters = `DstPort=${TLS_PORT}`;
    await expect
      .poll(async () => sum(await series('OpenSslBytes', 'sum', 'app', filters)), SOON)
      .toBe('line\n'.length);
    const [row] = await up.rows(`${filters}&TLSServerName="a.example"`);
    expect(row).toMatchObject({ TLSVersion: version!.replace('v', ' '), TLSCipherSuite: suite });
  });

  test('QUIC by its version', async () => {
    lab.inside(left, process.execPath, '-e', QUIC_CLIENT, pair.v4[1]);
    await expect
      .poll(() => series('Packets', 'sum', 'QuicVersion', 'DstPort=443'), SOON)
      .toEqual({ 'QUIC v1': 1 });
  });

  test('translated ports', async () => {
    const chain = '{ type nat hook prerouting priority dstnat; }';
    const rule = `tcp dport ${REDIRECTED_PORT} redirect to :${LISTEN_PORT}`;
    const rules = `add table ip t; add chain ip t c ${chain}; add rule ip t c ${rule}`;
    lab.inside(right, NFT, rules);
    await lab.tcp(left, right, {
      address: pair.v4[1],
      port: REDIRECTED_PORT,
      listenPort: LISTEN_PORT,
      sendBytes: 1000,
      replyBytes: 1000,
    });
    await expect
      .poll(() => series('Flows', 'count', 'XlatDstPort', `DstPort=${REDIRECTED_PORT}`), SOON)
      .toMatchObject({ [LISTEN_PORT]: expect.any(Number) });
  });

  test('what a tunnel carries, with its number', async () => {
    for (const [namespace, device, own, other, inner] of [
      [left, pair.a, pair.v4[0], pair.v4[1], '10.112.0.1/24'],
      [right, pair.b, pair.v4[1], pair.v4[0], '10.112.0.2/24'],
    ] as const) {
      const options = ['vxlan', 'id', '77', 'local', own, 'remote', other, 'dstport', '4789'];
      ip('-n', namespace, 'link', 'add', 'nbt-vx', 'type', ...options, 'dev', device);
      ip('-n', namespace, 'addr', 'add', inner, 'dev', 'nbt-vx');
      ip('-n', namespace, 'link', 'set', 'nbt-vx', 'up');
    }
    const before = lab.tcpSegments(left);
    await lab.tcp(left, right, {
      address: '10.112.0.2',
      port: TUNNEL_PORT,
      sendBytes: 100_000,
      replyBytes: 1000,
    });
    const sent = lab.tcpSegments(left) - before;
    await expect
      .poll(() => series('Packets', 'sum', 'TunnelId', `DstPort=${TUNNEL_PORT}`), SOON)
      .toEqual({ '77': sent });
  });
});

describe.skipIf(requireRoot())('a feature that is not possible here', () => {
  test(
    'is told of with the reason, and opens no gate',
    async () => {
      await using lab = new Lab();
      new LabPair(lab, lab.namespace('left'), lab.namespace('right'));
      const missing = '/nowhere/libssl.so';
      await using up = await startUp([
        ...['--interfaces', ONLY_TESTS, '--features', 'rtt,openssl', '--openssl-path', missing],
      ]);
      expect((await up.status()).agent.features).toEqual([
        { name: 'openssl', state: 'unavailable', why: expect.stringContaining(missing) },
        { name: 'rtt', state: 'on' },
      ]);
      const config = await get<FrontendConfig>(up, 'api/frontend-config');
      expect(config.features).toEqual(['subnetLabels', 'location', 'flowRTT']);
    },
    START_TIMEOUT_MS,
  );
});

function sum(values: Readonly<Record<string, number>>): number {
  return Object.values(values).reduce((total, value) => total + value, 0);
}

async function get<Answer>(up: UpHost, path: string, query: Record<string, string> = {}) {
  const answer = await fetch(`${up.url}/${path}?${new URLSearchParams(query)}`);
  expect(answer.status, path).toBe(200);
  return (await answer.json()) as Answer;
}
