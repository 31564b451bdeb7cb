import { expect, test } from 'vitest';
import { createPacketAgent } from '../../../../src/agent/capture/root.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { agentConfig } from '../../../support/agent-host.ts';
import { FakeKernel } from '../../../support/fake-kernel.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

test('a stop whose last words nobody takes closes everything, and says so', async () => {
  const kernel = new FakeKernel();
  const clock = new ManualClock();
  kernel.setLink({ index: 2, name: 'eth0' });
  const agent = createPacketAgent(
    agentConfig({ ENABLE_PCA: 'true', FLOW_FILTER_RULES: 'port=80', EXPORT: 'stdout' }),
    {
      log: createLog('silent'),
      metrics: createMetrics(''),
      clock,
      native: kernel,
      object: new Uint8Array(0),
      exporter: {
        emit: () => true,
        end() {
          throw new Error('refused');
        },
      },
      namespaceDirectory: '/nonexistent/netns',
      processDirectory: '/nonexistent/proc',
      kernelMonotonicMs: () => clock.monotonicMs(),
    },
  );
  await agent.start(new AbortController().signal);
  expect(agent.status().interfaces.map(({ name }) => name)).toEqual(['eth0']);

  await expect(agent.stop()).rejects.toThrow('refused');

  expect(kernel.attached.size).toBe(0);
  expect(kernel.openFds.size).toBe(0);
  expect(kernel.watching).toBe(false);
  expect(kernel.calls.at(-1)).toBe('close');
  expect(clock.waiting).toBe(0);
});
