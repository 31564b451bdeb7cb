import { expect, test } from 'vitest';
import { createPacketAgent, type PacketAgentDeps } from '../../../../src/agent/capture/root.ts';
import { stat } from '../../../../src/agent/drain/layout.gen.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { FakeKernel } from '../../../support/kernel/fake-kernel.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

function createCapture(exporter: PacketAgentDeps['exporter'], metrics = createMetrics('')) {
  const kernel = new FakeKernel();
  const clock = new ManualClock();
  kernel.setLink({ index: 2, name: 'eth0' });
  const env = { ENABLE_PCA: 'true', EXPORT: 'stdout', FLOW_FILTER_RULES: 'port=80' };
  const agent = createPacketAgent(agentConfig(env), {
    log: createLog('silent'),
    metrics,
    clock,
    native: kernel,
    object: new Uint8Array(0),
    exporter,
    namespaceDirectory: '/nonexistent/netns',
    processDirectory: '/nonexistent/proc',
    kernelMonotonicMs: () => clock.monotonicMs(),
  });
  return { kernel, clock, metrics, agent };
}

test('a stop whose last words nobody takes closes everything, and says so', async () => {
  const { kernel, clock, agent } = createCapture({
    emit: () => true,
    end() {
      throw new Error('refused');
    },
  });
  await agent.start(new AbortController().signal);
  expect(agent.status().interfaces.map(({ name }) => name)).toEqual(['eth0']);

  await expect(agent.stop()).rejects.toThrow('refused');

  expect(kernel.attached.size).toBe(0);
  expect(kernel.openFds.size).toBe(0);
  expect(kernel.watching).toBe(false);
  expect(kernel.calls.at(-1)).toBe('close');
  expect(clock.waiting).toBe(0);
});

test('metrics say what the kernel counts while the capture goes on', async () => {
  const { kernel, clock, metrics, agent } = createCapture({ emit: () => true, end() {} });
  await agent.start(new AbortController().signal);
  kernel.stats.set(stat.captureFull, { packets: 3, bytes: 300 });
  await clock.advance(1000);
  const text = await metrics.registry.metrics();
  expect(text).toContain('unrecorded_packets_total{reason="capture_full"} 3\n');
  expect(text).toContain('unrecorded_bytes_total{reason="capture_full"} 300\n');

  await agent.stop();
  expect(clock.waiting).toBe(0);
});
