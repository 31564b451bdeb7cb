import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startAgent } from '../../support/processes/agent-host.ts';

const DATAGRAMS = 100;
const FIRST_PORT = 42_000;
/** A millisecond's rounding, and the time from here to the hook. */
const TOLERANCE_MS = 1;

test('flows begin and end when their packets were sent, to a millisecond', async () => {
  await using host = await startAgent({ INTERFACES: 'lo', EXCLUDE_INTERFACES: 'none' });
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const sent = new Map<number, readonly [beforeMs: number, afterMs: number]>();
  for (let port = FIRST_PORT; port < FIRST_PORT + DATAGRAMS; port++) {
    // Not by `performance`: its origin is that of the process, and the clock may be set since then.
    const beforeMs = Date.now();
    await new Promise((resolve) => socket.send('x', port, '127.0.0.1', resolve));
    sent.set(port, [beforeMs, Date.now()]);
  }
  socket.close();
  await host.agent.drainNow();

  const flows = host.flows.filter(({ DstPort, Proto }) => Proto === 17 && sent.has(DstPort ?? 0));
  expect(flows).toHaveLength(DATAGRAMS);
  for (const { DstPort, TimeFlowStartMs, TimeFlowEndMs } of flows) {
    const [beforeMs, afterMs] = sent.get(DstPort!)!;
    expect(TimeFlowStartMs).toBeGreaterThanOrEqual(beforeMs - TOLERANCE_MS);
    expect(TimeFlowStartMs).toBeLessThanOrEqual(afterMs + TOLERANCE_MS);
    expect(TimeFlowEndMs).toBe(TimeFlowStartMs);
  }
});
