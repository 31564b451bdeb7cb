import { expect, test } from 'vitest';
import type { DatagramOutcome } from '../../../../src/codec/exporters/datagram.ts';
import {
  createExporterMetrics,
  EXPORTERS_MAX,
  Exporters,
} from '../../../../src/pipeline/ingest/exporters.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';

const OUTCOME: DatagramOutcome = {
  ...{ flows: 3, lost: 0, limited: 0, unknownSets: 0, missing: 0, missingUnit: 'flows' },
  problem: undefined,
};

test('counters of many exporters: the last ones share theirs', async () => {
  const metrics = createMetrics('');
  const exporters = new Exporters('in', createExporterMetrics(metrics));
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < EXPORTERS_MAX + 10; index++) {
      exporters.count(`2001:db8::${index.toString(16)}`, OUTCOME);
    }
    exporters.flush();
  }
  const text = await metrics.registry.metrics();
  const of = (name: string, exporter: string): string =>
    `ingest_exporter_${name}_total{stage="in",exporter="${exporter}"}`;
  expect(text).toContain(`${of('datagrams', '2001:db8::0')} 2\n`);
  expect(text).toContain(`${of('flows', '2001:db8::ff')} 6\n`);
  expect(text).toContain(`${of('datagrams', 'other')} 20\n`);
  expect(text).toContain(`${of('flows', 'other')} 60\n`);
  expect(text).not.toContain('2001:db8::100"');
});
