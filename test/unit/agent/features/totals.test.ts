import { expect, test } from 'vitest';
import { EventReader } from '../../../../src/agent/features/events.ts';
import type { FeatureReaderDeps } from '../../../../src/agent/features/feature.ts';
import { openssl } from '../../../../src/agent/features/openssl.ts';
import type { BpfObject } from '../../../../src/agent/loader/native.ts';
import { createAgentMetrics } from '../../../../src/agent/metrics.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { FakeKernel } from '../../../support/kernel/fake-kernel.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

/** Programs loaded before the agent started have counted this much in every place. */
class CountingKernel extends FakeKernel {
  total = 1000;

  override readMap(_object: BpfObject, _map: string, _index: number, into: Uint8Array): number {
    const view = new DataView(into.buffer, into.byteOffset);
    for (let at = 0; at < into.length; at += 8) view.setUint32(at, this.total, true);
    return into.length;
  }
}

function setUp() {
  const kernel = new CountingKernel();
  const metrics = createMetrics('');
  const deps = {
    native: kernel,
    object: {} as BpfObject,
    clock: new ManualClock(),
    log: createLog('silent'),
    metrics: createAgentMetrics(metrics, 'info'),
    config: agentConfig(),
  };
  return { kernel, deps, text: () => metrics.registry.metrics() };
}

test('what went through OpenSSL before the start is not counted', async () => {
  const { kernel, deps, text } = setUp();
  const tracker = openssl.reader!(deps as unknown as FeatureReaderDeps, 0);
  kernel.total += 3;
  tracker.finish!();
  expect(await text()).toContain('openssl_data_events_total{openssl_type="read"} 3\n');
  expect(await text()).toContain('openssl_unlinked_bytes_total{openssl_type="write"} 3\n');
  kernel.total += 2;
  tracker.finish!();
  expect(await text()).toContain('openssl_data_events_total{openssl_type="read"} 5\n');
});

test('samples of policies from before the start are not counted', async () => {
  const { kernel, deps, text } = setUp();
  const nowhere = { north: '/nonexistent/north', local: '/nonexistent/local' };
  const tracker = new EventReader(deps, 0, nowhere);
  kernel.total += 3;
  tracker.finish();
  const labels = 'source="network-events",reason="NetworkEventsGoodEvent"';
  expect(await text()).toContain(`network_events_total{${labels}} 3\n`);
  await tracker.stop();
});
