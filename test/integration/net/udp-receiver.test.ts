import { spawnSync } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import { UdpReceiver } from '../../../src/net/udp/receiver.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;

async function receive(bufferBytes: number, sockets = 1) {
  const warnings: unknown[] = [];
  const taken: string[] = [];
  const receiver = new UdpReceiver(
    { host: '127.0.0.1', port: 0, sockets, bufferBytes },
    {
      log: { warn: (...line: unknown[]) => void warnings.push(...line) } as never,
      take: (bytes) => void taken.push(Buffer.from(bytes).toString()),
    },
  );
  await receiver.start();
  onTestFinished(() => receiver.stop());
  return { receiver, warnings, taken };
}

/** Another process sends datagrams, while this one does not read. */
function send(port: number, count: number): void {
  const script = `exec 3>/dev/udp/127.0.0.1/${port}; for i in $(seq ${count}); do echo $i >&3; done`;
  expect(spawnSync('bash', ['-c', script]).status).toBe(0);
}

test('every datagram is taken, or counted as dropped by the kernel', async () => {
  const { receiver, taken } = await receive(4096);
  // Sockets of others do not count.
  const { receiver: other } = await receive(4096);
  send(receiver.port, 2000);
  await expect.poll(() => taken.length + receiver.kernelDrops(), SOON).toBe(2000);
  expect(receiver.kernelDrops()).toBeGreaterThan(0);
  expect(taken.length).toBeGreaterThan(0);
  expect(other.kernelDrops()).toBe(0);
});

test('several sockets share the port, and drop on their own', async () => {
  const { receiver, taken } = await receive(4096, 4);
  for (let sender = 0; sender < 8; sender++) send(receiver.port, 200);
  await expect.poll(() => taken.length + receiver.kernelDrops(), SOON).toBe(1600);
  expect(receiver.kernelDrops()).toBeGreaterThan(0);
});

test('a buffer that the kernel does not grant is reported once', async () => {
  expect((await receive(4096)).warnings).toEqual([]);
  const { warnings } = await receive(1_073_741_824, 2);
  expect(warnings).toEqual([
    { bufferBytes: 1_073_741_824, grantedBytes: expect.any(Number) },
    expect.stringContaining('net.core.rmem_max'),
  ]);
});
