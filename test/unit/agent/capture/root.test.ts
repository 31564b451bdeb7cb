import { expect, test } from 'vitest';
import { createPacketAgent } from '../../../../src/agent/capture/root.ts';
import { stat } from '../../../../src/agent/drain/layout.gen.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { agentConfig } from '../../../support/agent-host.ts';
import { FakeKernel } from '../../../support/fake-kernel.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

test('metrics say what the kernel counts while the capture goes on', async () => {
  const kernel = new FakeKernel();
  const clock = new ManualClock();
  const metrics = createMetrics('');
  const env = { ENABLE_PCA: 'true', EXPORT: 'stdout', FLOW_FILTER_RULES: 'port=80' };
  const agent = createPacketAgent(agentConfig(env), {
    log: createLog('silent'),
    metrics,
    clock,
    native: kernel,
    object: new Uint8Array(0),
    exporter: { emit: () => true, end() {} },
    namespaceDirectory: '/nonexistent/netns',
    processDirectory: '/nonexistent/proc',
  });
  await agent.start(new AbortController().signal);
  kernel.stats.set(stat.captureFull, { packets: 3, bytes: 300 });
  await clock.advance(1000);
  const text = await metrics.registry.metrics();
  expect(text).toContain('unrecorded_packets_total{reason="capture_full"} 3\n');
  expect(text).toContain('unrecorded_bytes_total{reason="capture_full"} 300\n');

  await agent.stop();
  expect(clock.waiting).toBe(0);
});
