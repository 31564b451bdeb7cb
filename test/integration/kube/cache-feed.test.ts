import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CacheFeed, type CacheFeedConfig } from '../../../src/kube/cache/cache-feed.ts';
import { ClusterIndex } from '../../../src/kube/index/cluster-index.ts';
import { createKubeMetrics } from '../../../src/kube/metrics.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { holderOf } from '../../support/kube/holder.ts';
import { FlpInformers } from '../../support/kube/k8scache-peers.ts';
import type { Json } from '../../support/kube/k8scache-schema.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { certificateFiles } from '../../support/net/certificate.ts';

const NEEDS = {
  ...{ configPath: '', networks: [], managedCni: [], trackedKinds: [], ownerKinds: [] },
  ...{ labels: [], annotations: [] },
};

let clock: ManualClock;
let index: ClusterIndex;
let metrics: Metrics;
let feed: CacheFeed;
let others: FlpInformers[];

async function start(tls?: CacheFeedConfig['tls']): Promise<void> {
  metrics = createMetrics('');
  clock = new ManualClock();
  index = new ClusterIndex({ clock, metrics: createKubeMetrics(metrics) });
  const deps = { log: createLog('silent'), metrics, clock, random: () => 0.5 };
  feed = new CacheFeed({ host: '127.0.0.1', port: 0, tls }, deps);
  await feed.start(index, NEEDS);
}

beforeEach(() => {
  others = [];
});

afterEach(async () => {
  for (const other of others) other[Symbol.dispose]();
  await feed.stop();
});

function connect(tls?: ReturnType<typeof credentials.createSsl>): FlpInformers {
  const other = new FlpInformers(`127.0.0.1:${feed.port}`, tls);
  others.push(other);
  return other;
}

/** An object as flowlogs-pipeline sends it: without a UID. */
function entry(name: string, ip: string): Json {
  return {
    ...{ kind: 'Pod', namespace: 'shop', name, ips: [ip], creation_timestamp: 1_600_000_000 },
    ...{ owner_kind: 'Deployment', owner_name: 'web', host_ip: '192.168.0.1' },
  };
}

function update(version: number, entries: readonly Json[], more: Json = {}): Json {
  return { version, entries, operation: 'OPERATION_ADD', ...more };
}

function names(): readonly string[] {
  return [1, 2, 3, 4].map((host) => holderOf(index, `10.0.0.${host}`)?.name ?? '');
}

const SNAPSHOT = { is_snapshot: true };

test('informers of flowlogs-pipeline: a snapshot in parts, changes, a snapshot after a break', async () => {
  await start();
  const first = connect();
  await expect
    .poll(() => first.said)
    .toEqual([{ request: { processor_id: expect.stringMatching(/^netobserv-./) } }]);
  first.send(update(1, [entry('a', '10.0.0.1')], SNAPSHOT));
  first.send(update(2, [entry('b', '10.0.0.2'), entry('c', '10.0.0.3')]));
  await expect.poll(() => first.said.length).toBe(3);
  expect(first.said.at(-1)).toMatchObject({ ack: { version: 2, success: true } });
  expect(feed.state()).toMatchObject({ ok: false, reason: expect.stringContaining('complete') });
  // They do not say that the snapshot is over.
  await clock.advance(6000);
  expect(feed.state()).toEqual({ ok: true });
  first.send(
    update(3, [{ kind: 'Pod', namespace: 'shop', name: 'a' }], { operation: 'OPERATION_DELETE' }),
  );
  first.send(update(4, [entry('b', '10.0.0.4')], { operation: 'OPERATION_UPDATE' }));
  await expect.poll(names).toEqual(['', '', 'c', 'b']);

  first[Symbol.dispose]();
  await expect.poll(() => feed.state()).toMatchObject({ ok: true, note: expect.any(String) });
  const second = connect();
  second.send(update(1, [entry('a', '10.0.0.1')], SNAPSHOT));
  await expect.poll(names).toEqual(['a', '', 'c', 'b']);
  await clock.advance(6000);
  expect(names()).toEqual(['a', '', '', '']);
});

test('older ones mark every part of a snapshot', async () => {
  await start();
  const other = connect();
  other.send(update(1, [entry('a', '10.0.0.1')], SNAPSHOT));
  other.send(update(2, [entry('b', '10.0.0.2')], SNAPSHOT));
  await expect.poll(() => other.said.length).toBe(3);
  await clock.advance(6000);
  expect(names()).toEqual(['a', 'b', '', '']);
});

describe('messages that are refused', () => {
  test.each([
    ['changes before a snapshot', update(5, [entry('a', '10.0.0.1')]), /before a snapshot/],
    ['no such operation', update(5, [], { operation: 0 }), /no operation 0/],
  ])('%s', async (_why, message, error) => {
    await start();
    const other = connect();
    other.send(message);
    await expect.poll(() => other.ended).toBe('in order');
    expect(other.said.at(-1)).toEqual({
      ack: { processor_id: expect.any(String), version: 5, error: expect.stringMatching(error) },
    });
    expect(names()).toEqual(['', '', '', '']);
    expect(await metrics.registry.metrics()).toContain(
      'kube_cache_errors_total{code="ERR_KUBE_UPDATE"} 1',
    );
  });

  test('a damaged one changes nothing', async () => {
    await start();
    const other = connect();
    // An entry that is longer than the message.
    other.sendRaw(Uint8Array.from([0x08, 0x01, 0x10, 0x01, 0x1a, 0x7f, 0x0a]));
    await expect
      .poll(() => other.said.at(-1))
      .toMatchObject({
        ack: { error: expect.stringContaining('longer than its message') },
      });
    expect(feed.state()).toMatchObject({ ok: false });
  });
});

describe('TLS', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'netobserv-k8scache-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('with an authority, only informers with a certificate of it are let in', async () => {
    const [own, client] = [certificateFiles(folder, 'own'), certificateFiles(folder, 'client')];
    await start({ ...own, clientCaPath: client.certPath });
    const pems = [own.certPath, client.keyPath, client.certPath].map((path) => readFileSync(path));
    const [ca, key, cert] = pems as [Buffer, Buffer, Buffer];
    const stranger = connect(credentials.createSsl(ca));
    await expect.poll(() => stranger.ended).toMatch(/UNAVAILABLE/);
    const friend = connect(credentials.createSsl(ca, key, cert));
    friend.send(update(1, [entry('a', '10.0.0.1')], SNAPSHOT));
    await expect.poll(names).toEqual(['a', '', '', '']);
    const plain = connect();
    await expect.poll(() => plain.ended).toMatch(/UNAVAILABLE/);
  });
});
