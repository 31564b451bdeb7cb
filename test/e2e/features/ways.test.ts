/** Every way in which a feature may reach the kernel is one that this kernel's verifier takes. */
import { describe, expect, test } from 'vitest';
import { drops } from '../../../src/agent/trackers/drops.ts';
import { processes } from '../../../src/agent/trackers/processes.ts';
import { rtt } from '../../../src/agent/trackers/rtt.ts';
import { tcpHealth } from '../../../src/agent/trackers/tcp-health.ts';
import { requireRoot } from '../../support/require.ts';
import { HOOKS, loadDatapath, native } from '../datapath/datapath.ts';

const WAYS = [rtt, drops, tcpHealth, processes].flatMap((spec) =>
  (spec.ways ?? []).map((way, index) => ({ spec, way, name: `${spec.name}, way ${index + 1}` })),
);

describe.skipIf(requireRoot())('ways', () => {
  test.each(WAYS)('$name', ({ spec, way }) => {
    const datapath = loadDatapath({
      programs: [...HOOKS, ...way.map(({ program }) => program)],
      feature: spec.extension!,
    });
    try {
      for (const probe of way) native.attachProbe(datapath, probe);
      for (const { program } of way) {
        expect(native.programStats(datapath, program).misses).toBe(0);
      }
    } finally {
      native.close(datapath);
    }
  });
});
