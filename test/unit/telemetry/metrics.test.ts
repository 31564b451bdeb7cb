import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

const TEXT = [
  '# HELP p_shared_total Of several servers',
  '# TYPE p_shared_total counter',
  'p_shared_total{server="console"} 2',
  '',
  '# HELP p_other 3',
  '# TYPE p_other gauge',
  'p_other 3',
  '',
].join('\n');

function withOwn() {
  const metrics = createMetrics('p_');
  metrics.counter('shared_total', 'Of several servers', ['server']).inc({ server: 'metrics' }, 1);
  metrics.gauge('own', 'x').set(7);
  return metrics;
}

test('a family of this thread and of another one stands once, with all samples', async () => {
  const metrics = withOwn();
  const names = ['p_shared_total', 'p_other'];
  using _exposed = metrics.expose({ names, text: () => TEXT, joins: true });
  const lines = (await metrics.registry.metrics()).split('\n').filter((line) => line !== '');
  expect(lines.filter((line) => line.startsWith('# TYPE p_shared_total'))).toHaveLength(1);
  const at = lines.indexOf('# TYPE p_shared_total counter');
  expect(lines.slice(at + 1, at + 3)).toEqual([
    'p_shared_total{server="metrics"} 1',
    'p_shared_total{server="console"} 2',
  ]);
  expect(lines).toContain('p_own 7');
  expect(lines).toContain('p_other 3');
});

test('anybody else’s family has a name of its own', () => {
  const metrics = withOwn();
  expect(() => metrics.expose({ names: ['p_shared_total'], text: () => TEXT })).toThrow(
    expect.objectContaining({ code: 'ERR_TELEMETRY_METRIC_DUPLICATE' }),
  );
});
