import { closeSync, openSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { registerProcessMetrics } from '../../../src/telemetry/process-metrics.ts';

async function values(metrics: ReturnType<typeof createMetrics>): Promise<Map<string, number>> {
  const text = await metrics.registry.metrics();
  const samples = text.matchAll(/^(\w+) (\S+)$/gm);
  return new Map([...samples].map(([, name, value]) => [name!, Number(value)]));
}

test('the process is described as its kernel has it', async () => {
  const metrics = createMetrics('');
  registerProcessMetrics(metrics);
  const before = await values(metrics);
  const files = Array.from({ length: 100 }, () => openSync('/dev/null', 'r'));
  const after = await values(metrics);
  for (const file of files) closeSync(file);

  // The test runner itself opens and closes some, too.
  const opened = after.get('process_open_fds')! - before.get('process_open_fds')!;
  expect(Math.abs(opened - 100)).toBeLessThan(20);
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  expect(after.get('process_max_fds')).toBe(Number(limit));
  const pages = readFileSync('/proc/self/statm', 'utf8').split(' ').map(Number);
  expect(after.get('process_virtual_memory_bytes')! / (pages[0]! * 4096)).toBeCloseTo(1, 1);
  expect(after.get('process_resident_memory_bytes')! / (pages[1]! * 4096)).toBeCloseTo(1, 0);
  const startedMs = after.get('process_start_time_seconds')! * 1000;
  expect(Math.abs(Date.now() - process.uptime() * 1000 - startedMs)).toBeLessThan(5000);
  expect(after.get('nodejs_heap_size_used_bytes')).toBeGreaterThan(1e6);
});

test('CPU time is that since the start of the process, however often it is asked for', async () => {
  const metrics = createMetrics('');
  registerProcessMetrics(metrics);
  await values(metrics);
  const told = (await values(metrics)).get('process_cpu_seconds_total')!;
  const { user, system } = process.cpuUsage();
  const now = (user + system) / 1e6;
  expect(told).toBeLessThanOrEqual(now);
  expect(told).toBeGreaterThan(now - 1);
});
