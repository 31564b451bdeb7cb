import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { PipelineConfig } from '../../../src/pipeline/options/graph.ts';
import { kubeconfig } from '../../support/kube/enrich.ts';
import { FakeApi } from '../../support/kube/fake-api.ts';
import { pod } from '../../support/kube/objects.ts';
import { parseSamples } from '../../support/models/interpreter/prom.ts';
import { appendRows } from '../../support/models/interpreter/rows.ts';
import { type TestPipeline, testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort } from '../../support/processes/program.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;

async function started(config: PipelineConfig): Promise<TestPipeline> {
  const bed = testPipeline(config, { clock: systemClock });
  await bed.pipeline.start(new AbortController().signal);
  onTestFinished(() => bed.pipeline.stop());
  return bed;
}

test('further labels of Kubernetes are read for a rule that asks for them', async () => {
  const api = new FakeApi();
  await api.start();
  onTestFinished(() => api.stop());
  api.set(
    '/api/v1/pods',
    pod('web', { ips: ['10.0.0.1'], labels: { app: 'shop', tier: 'front' } }),
  );
  const file = kubeconfig({ token: 'secret' }, api.url);
  onTestFinished(() => file[Symbol.dispose]());
  const config = (labels: readonly string[]): PipelineConfig => {
    const rule = {
      ...{ ipField: 'SrcAddr', output: 'Src' },
      ...{ labels_prefix: 'label', label_inclusions: labels },
    };
    const network = {
      kubeConfig: { configPath: file.path },
      rules: [{ type: 'add_kubernetes', kubernetes: rule }],
    };
    return {
      pipeline: [
        { name: 'names', follows: 'preset-ingester' },
        { name: 'out', follows: 'names' },
      ],
      parameters: [
        { name: 'names', transform: { type: 'network', network } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    };
  };
  const bed = await started(config(['app']));
  const send = (): void => {
    const batch = bed.pipeline.take();
    appendRows(batch, [{ SrcAddr: '10.0.0.1', TimeFlowStartMs: Date.now() }]);
    bed.pipeline.emit(batch);
  };
  send();
  await expect.poll(() => bed.stores.a.rows, SOON).toHaveLength(1);
  await bed.pipeline.reload(config(['app', 'tier']));
  send();
  await expect.poll(() => bed.stores.a.rows, SOON).toHaveLength(2);
  const [before, after] = bed.stores.a.rows;
  expect(before).toMatchObject({ Src_Name: 'web', label_app: 'shop' });
  expect(before).not.toHaveProperty('label_tier');
  expect(after).toMatchObject({ Src_Name: 'web', label_app: 'shop', label_tier: 'front' });
});

test('a server of metrics stays open for a changed stage, or moves to another port', async () => {
  const [first, second] = [await freePort(), await freePort()];
  const config = (port: number, name: string): PipelineConfig => {
    const metrics = [
      { name: 'kept', type: 'counter', labels: [] },
      { name, type: 'counter', labels: [] },
    ];
    const prom = { address: '127.0.0.1', port, prefix: 'p_', metrics };
    return {
      pipeline: [{ name: 'prom', follows: 'preset-ingester' }],
      parameters: [{ name: 'prom', encode: { type: 'prom', prom } }],
    };
  };
  const bed = await started(config(first, 'one'));
  const scrape = async (port: number): Promise<Record<string, number>> => {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    const all = parseSamples(await answer.text());
    return Object.fromEntries([...all].filter(([name]) => name.startsWith('p_')));
  };
  const send = (): void => {
    const batch = bed.pipeline.take();
    appendRows(batch, [{ Bytes: 1 }]);
    bed.pipeline.emit(batch);
  };
  send();
  expect(await scrape(first)).toEqual({ 'p_kept{}': 1, 'p_one{}': 1 });
  await bed.pipeline.reload(config(first, 'two'));
  send();
  expect(await scrape(first)).toEqual({ 'p_kept{}': 2, 'p_two{}': 1 });
  await bed.pipeline.reload(config(second, 'two'));
  send();
  expect(await scrape(second)).toEqual({ 'p_kept{}': 3, 'p_two{}': 2 });
  await expect(scrape(first)).rejects.toThrow('fetch failed');
});
