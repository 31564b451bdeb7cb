import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Exporter } from '../../../src/agent/export/exporter.ts';
import { createExporter } from '../../../src/agent/export/exporters.ts';
import { systemClock } from '../../../src/base/clock.ts';
import type { DeliveryLimits } from '../../../src/deliver/delivery.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { appendRow, type Row } from '../../../src/flow/row.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { type CollectorTls, GrpcCollector, SILENCE } from '../../support/net/grpc-collector.ts';
import { agentConfig } from '../../support/processes/agent-host.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;
/** Short delays, so that tests need not wait long. */
const DELIVERY = { attemptTimeoutMs: 3000, backoff: { firstMs: 20, maxMs: 100 } } as const;

let folder: string;
const server = selfSigned();
const client = selfSigned();
const stranger = selfSigned();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netobserv-grpc-'));
  for (const [name, pair] of Object.entries({ server, client, stranger })) {
    writeFileSync(join(folder, `${name}.crt`), pair.cert);
    writeFileSync(join(folder, `${name}.key`), pair.key);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function collector(tls?: CollectorTls): Promise<GrpcCollector> {
  const made = new GrpcCollector(tls);
  await made.start();
  onTestFinished(() => made.kill());
  return made;
}

interface Sender {
  readonly exporter: Exporter;
  /** Hands flows over as one batch; false: there was no room. */
  send(rows: readonly Row[]): boolean;
  value(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  stop(): Promise<void>;
}

async function sender(
  port: number,
  env: Readonly<Record<string, string>> = {},
  delivery: Partial<DeliveryLimits> = {},
): Promise<Sender> {
  const metrics = createMetrics('');
  const config = agentConfig({ TARGET_HOST: 'localhost', TARGET_PORT: `${port}`, ...env });
  const exporter = await createExporter(config, {
    log: pino({ level: 'silent' }),
    metrics,
    clock: systemClock,
    random: () => 0.5,
    tables: new TableSpace(),
    columns: agentColumns(),
    stdout: process.stdout,
    delivery: { ...DELIVERY, ...delivery },
  });
  await exporter.start(new AbortController().signal);
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (!isStopped) await exporter.stop();
    isStopped = true;
  };
  onTestFinished(stop);
  return {
    exporter,
    stop,
    send(rows) {
      const batch = exporter.take();
      const failures = new Map<string, number>();
      for (const row of rows) appendRow(batch, row, failures);
      expect([...failures]).toEqual([]);
      return exporter.emit(batch);
    },
    async value(name, labels = {}) {
      const { values } = await metrics.registry.getSingleMetric(name)!.get();
      return values
        .filter(({ labels: own }) => Object.entries(labels).every(([key, to]) => own[key] === to))
        .reduce((sum, one) => sum + one.value, 0);
    },
  };
}

/** Flows that differ in their bytes. */
function flows(from: number, count: number): Row[] {
  return Array.from({ length: count }, (_, index) => ({
    SrcAddr: '192.0.2.1',
    DstAddr: '2001:db8::1',
    Etype: 0x86dd,
    Proto: 17,
    SrcPort: 1,
    DstPort: 2,
    Bytes: from + index,
    Packets: 2,
    Interfaces: ['eth0'],
    IfDirections: [1],
  }));
}

const idsOf = (made: GrpcCollector): Set<number> => new Set(made.flows.map(({ bytes }) => bytes));

type Security = 'plain text' | 'TLS' | 'mTLS';

/** A collector with that security, and the settings for its senders. */
async function collectorBy(how: Security) {
  const tls = {
    'plain text': undefined,
    TLS: server,
    mTLS: { ...server, clientCa: client.cert },
  }[how];
  const ca = { TARGET_TLS_CA_CERT_PATH: join(folder, 'server.crt') };
  const own = {
    TARGET_TLS_USER_CERT_PATH: join(folder, 'client.crt'),
    TARGET_TLS_USER_KEY_PATH: join(folder, 'client.key'),
  };
  const env = { 'plain text': {}, TLS: ca, mTLS: { ...ca, ...own } }[how];
  return { made: await collector(tls), env };
}

test.each<Security>(['plain text', 'TLS', 'mTLS'])(
  'flows arrive by %s as they were',
  async (how) => {
    const { made, env } = await collectorBy(how);
    const { send, value } = await sender(made.port, env);

    expect(send(flows(1, 100))).toBe(true);

    await expect.poll(() => made.flows.length, SOON).toBe(100);
    expect(made.flows[4]!.record).toEqual({
      eth_protocol: 0x86dd,
      network: {
        src_addr: { ipv6: 'AAAAAAAAAAAAAP//wAACAQ==' },
        dst_addr: {
          ipv6: Buffer.from('20010db8000000000000000000000001', 'hex').toString('base64'),
        },
      },
      transport: { src_port: 1, dst_port: 2, protocol: 17 },
      bytes: 5,
      packets: 2,
      time_flow_rtt: {},
      dup_list: [{ interface: 'eth0', direction: 1 }],
    });
    await expect.poll(() => value('exporter_sent_flows_total'), SOON).toBe(100);
    expect(await value('exporter_sent_packets_total')).toBe(200);
    expect(await value('exporter_sent_bytes_total')).toBe(5050);
  },
);

test('by TLS to an address, which is not told as a name: Node has nothing to warn of', async () => {
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  const { made, env } = await collectorBy('TLS');
  const { send } = await sender(made.port, { ...env, TARGET_HOST: '127.0.0.1' });
  expect(send(flows(1, 10))).toBe(true);
  await expect.poll(() => made.flows.length, SOON).toBe(10);
  expect(warnings).toEqual([]);
});

test.each([
  // why, the server's certificate, whose signature the client trusts, the client's own
  ['a server that nobody trusts', undefined, 'stranger', undefined],
  ['a client without a certificate', client.cert, 'server', undefined],
  ['a client with a certificate of another', client.cert, 'server', 'stranger'],
])('%s: nothing is sent, and all is counted', async (_why, clientCa, trusted, own) => {
  const made = await collector({ ...server, ...(clientCa === undefined ? {} : { clientCa }) });
  const env = {
    TARGET_TLS_CA_CERT_PATH: join(folder, `${trusted}.crt`),
    ...(own === undefined
      ? {}
      : {
          TARGET_TLS_USER_CERT_PATH: join(folder, `${own}.crt`),
          TARGET_TLS_USER_KEY_PATH: join(folder, `${own}.key`),
        }),
  };
  const { send, value, exporter } = await sender(made.port, env, { deadlineMs: 500 });

  send(flows(1, 10));

  await expect.poll(() => exporter.backlog().flows, SOON).toBe(0);
  expect(await value('exporter_lost_flows_total', { reason: 'expired' })).toBe(10);
  expect(made.calls).toEqual([]);
});

test('certificates that cannot be read are told at the start', async () => {
  const missing = join(folder, 'missing.crt');
  const wrong = join(folder, 'server.key');
  for (const path of [missing, wrong]) {
    await expect(sender(1, { TARGET_TLS_CA_CERT_PATH: path })).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NET_GRPC_TLS',
        message: expect.stringContaining(path),
      }),
    );
  }
});

/** Flows without packets since the last drain, with all their other values. */
const WITHOUT_PACKETS: readonly Row[] = [
  { DnsLostQueries: 1, DnsErrno: 0 },
  { PktDropPackets: 3, PktDropBytes: 200 },
  { TimeFlowRttNs: 5_000_000 },
].map((facts, index) => ({ ...flows(100 + index, 1)[0], Packets: 0, ...facts }));

test.each([
  ['false', [1, 101, 102]],
  ['true', [1, 100, 101, 102]],
])(
  'EXPORT_BLANK_FLOWS=%s: flows of which the original’s collectors see nothing',
  async (blank, wanted) => {
    const made = await collector();
    const { send, value, exporter } = await sender(made.port, { EXPORT_BLANK_FLOWS: blank });
    expect(send([...WITHOUT_PACKETS, ...flows(1, 1)])).toBe(true);
    await expect.poll(() => exporter.backlog().flows, SOON).toBe(0);
    expect([...idsOf(made)].sort((a, b) => a - b)).toEqual(wanted);
    expect(await value('exporter_sent_flows_total')).toBe(wanted.length);
  },
);

test('no message has more flows than GRPC_MESSAGE_MAX_FLOWS', async () => {
  const made = await collector();
  const { send } = await sender(made.port, { GRPC_MESSAGE_MAX_FLOWS: '1000' });

  send(flows(1, 2500));

  await expect.poll(() => made.flows.length, SOON).toBe(2500);
  expect(made.calls.map((call) => call.length).sort((a, b) => b - a)).toEqual([1000, 1000, 500]);
  expect(idsOf(made).size).toBe(2500);
});

test('no message is larger than what servers take by default', async () => {
  const made = await collector();
  const { send, value } = await sender(made.port);
  const large = flows(1, 4096).map((row, index) => ({
    ...row,
    Cgroup: `${index}-`.padEnd(4000, 'x'),
  }));

  send(large);

  await expect.poll(() => made.flows.length, SOON).toBe(4096);
  expect(Math.max(...made.sizes)).toBeLessThan(4 * 2 ** 20);
  expect(made.sizes.length).toBe(5);
  expect(await value('errors_total')).toBe(0);
});

test.each<Security>(['plain text', 'mTLS'])(
  'a collector by %s that goes away and comes back gets every flow',
  async (how) => {
    const { made, env } = await collectorBy(how);
    const { send, value, exporter } = await sender(made.port, env);
    const batches = 40;
    for (let batch = 0; batch < batches; batch++) {
      expect(send(flows(batch * 100 + 1, 100))).toBe(true);
      if (batch === 10) {
        await expect.poll(() => made.calls.length, SOON).toBeGreaterThan(3);
        made.kill();
      }
      if (batch === 25) {
        // It is gone for good: attempts fail.
        await expect.poll(() => value('errors_total'), SOON).toBeGreaterThan(3);
        await made.start();
      }
    }
    await expect.poll(() => exporter.backlog().flows, SOON).toBe(0);

    expect(idsOf(made).size).toBe(batches * 100);
    expect(await value('exporter_sent_flows_total')).toBe(batches * 100);
    expect(await value('exporter_lost_flows_total')).toBe(0);
  },
);

test('a collector that takes flows and never answers blocks nothing, and is not told twice', async () => {
  const made = await collector();
  made.behaviour = SILENCE;
  const env = { BUFFERS_LENGTH: '6' };
  // All requests arrive within this time, even on a busy machine.
  const { send, value, exporter } = await sender(made.port, env, { attemptTimeoutMs: 3000 });

  const taken = Array.from({ length: 10 }, (_, batch) => send(flows(batch * 10 + 1, 10)));
  expect(taken.filter((one) => one)).toHaveLength(6);
  await expect.poll(() => exporter.backlog().flows, SOON).toBe(0);

  expect(await value('exporter_lost_flows_total', { reason: 'timeout' })).toBe(60);
  expect(made.flows.length).toBe(60);
  expect(idsOf(made).size).toBe(60);

  made.behaviour = (answer) => answer();
  expect(send(flows(1000, 5))).toBe(true);
  await expect.poll(() => value('exporter_sent_flows_total'), SOON).toBe(5);
});

test('a slow collector gets each flow once, and what finds no room was never taken', async () => {
  const made = await collector();
  const waiting: (() => void)[] = [];
  made.behaviour = (answer) => waiting.push(answer);
  const { send, exporter } = await sender(made.port, { EXPORTER_BUFFER_LENGTH: '8' });

  let handed = 0;
  for (let batch = 0; batch < 60; batch++) {
    if (send(flows(batch * 50 + 1, 50))) handed += 50;
    if (batch % 3 === 0) {
      await expect.poll(() => waiting.length, SOON).toBeGreaterThan(0);
      waiting.shift()!();
    }
  }
  made.behaviour = (answer) => answer();
  for (const answer of waiting) answer();
  await expect.poll(() => exporter.backlog().flows, SOON).toBe(0);

  expect(handed).toBeLessThan(60 * 50);
  expect(made.flows.length).toBe(handed);
  expect(idsOf(made).size).toBe(handed);
});

test('connecting anew loses nothing, repeats nothing and is no failure', async () => {
  const made = await collector();
  const env = { GRPC_RECONNECT_TIMER: '60ms', GRPC_RECONNECT_TIMER_RANDOMIZATION: '10ms' };
  const { send, value, exporter } = await sender(made.port, env);
  let sent = 0;
  await expect
    .poll(() => {
      if (send(flows(sent + 1, 10))) sent += 10;
      return made.peers.size;
    }, SOON)
    .toBeGreaterThan(4);
  await expect.poll(() => exporter.backlog().flows, SOON).toBe(0);

  expect(made.flows.length).toBe(sent);
  expect(idsOf(made).size).toBe(sent);
  expect(await value('errors_total')).toBe(0);
});

test('while the collector is gone, connecting anew keeps trying', async () => {
  const made = await collector();
  const { send, exporter } = await sender(made.port, { GRPC_RECONNECT_TIMER: '50ms' });
  send(flows(1, 1));
  await expect.poll(() => exporter.backlog().flows, SOON).toBe(0);
  made.kill();
  send(flows(2, 1));
  await expect.poll(() => exporter.backlog().flows, SOON).toBe(1);
  await made.start();

  await expect.poll(() => idsOf(made).size, SOON).toBe(2);
});

test('stopping sends what waits; without a collector it ends in time and counts the rest', async () => {
  const made = await collector();
  const alive = await sender(made.port);
  alive.send(flows(1, 500));
  await alive.stop();
  expect(made.flows.length).toBe(500);

  made.kill();
  const dead = await sender(made.port, {}, { drainTimeoutMs: 300 });
  dead.send(flows(1, 70));
  await dead.stop();
  expect(await dead.value('exporter_lost_flows_total', { reason: 'closing' })).toBe(70);
  expect(dead.exporter.backlog().flows).toBe(0);
});
