import { readdirSync, readFileSync } from 'node:fs';
import type { Metrics } from './metrics.ts';

const MICROSECONDS = 1e6;
const KIB = 1024;

/**
 * Metrics of the process, as Prometheus' clients have them, and of Node's heap. Names have no
 * prefix, so `metrics` must have none. Values are read only when metrics are requested.
 */
export function registerProcessMetrics(metrics: Metrics, stderr: LossCount = {}): void {
  countLostWrites(metrics, stderr);
  let cpuSeconds = 0;
  const cpu = metrics.counter('process_cpu_seconds_total', 'CPU time of the process', [], () => {
    const { user, system } = process.cpuUsage();
    const now = (user + system) / MICROSECONDS;
    cpu.inc(now - cpuSeconds);
    cpuSeconds = now;
  });
  const gauge = (name: string, help: string, read: () => number): void => {
    const value = metrics.gauge(name, help, [], () => {
      value.set(read());
    });
  };
  const startSeconds = performance.timeOrigin / 1000;
  gauge('process_start_time_seconds', 'When the process started, epoch', () => startSeconds);
  gauge('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss());
  gauge('process_virtual_memory_bytes', 'Virtual memory', virtualBytes);
  gauge('process_open_fds', 'Open file descriptors', openDescriptors);
  gauge('process_max_fds', 'Limit of open file descriptors', descriptorsMax);
  gauge('nodejs_heap_size_total_bytes', 'V8 heap', () => process.memoryUsage().heapTotal);
  gauge('nodejs_heap_size_used_bytes', 'Used V8 heap', () => process.memoryUsage().heapUsed);
  gauge('nodejs_external_memory_bytes', 'Buffers outside the V8 heap', () => {
    return process.memoryUsage().external;
  });
  gauge(
    'nodejs_eventloop_utilization',
    'Share of time since the start that the main thread was at work: 0 to 1',
    () => performance.eventLoopUtilization().utilization,
  );
}

/** The counter of lost writes: standard error. */
export interface LossCount {
  readonly lost?: number;
}

function countLostWrites(metrics: Metrics, stderr: LossCount): void {
  let counted = 0;
  const lost = metrics.counter(
    'stderr_lost_writes_total',
    'Log lines, and other writes to standard error, that it did not take',
    [],
    () => {
      const now = stderr.lost ?? 0;
      lost.inc(now - counted);
      counted = now;
    },
  );
}

function virtualBytes(): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/^VmSize:\s*(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * KIB;
}

/** Does not count the descriptor that reads the folder. */
function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length - 1;
}

/** The soft limit; infinite if there is none. */
function descriptorsMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
