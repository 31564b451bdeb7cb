/**
 * If functions of the kernel have trampolines, programs are attached to these: kprobes cost more,
 * and anyone who may write to debugfs can switch them off.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import { events } from '../../../src/agent/features/events.ts';
import { type FeatureSpec, waysOf } from '../../../src/agent/features/feature.ts';
import { ipsec } from '../../../src/agent/features/ipsec.ts';
import type { DoctorReport } from '../../../src/commands/doctor/report.ts';
import { agentConfig, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

/** Programs attached to functions, in this order in the table of features, too. */
const FEATURES: readonly FeatureSpec[] = [ipsec, events];

function programsOf(spec: FeatureSpec, way: number): readonly string[] {
  return waysOf(spec, agentConfig())
    .at(way)!
    .map(({ program }) => program);
}

describe.skipIf(requireRoot())('functions of the kernel', () => {
  beforeAll(() => {
    execFileSync('modprobe', ['-a', 'psample', 'esp4', 'esp6']);
  });

  test('doctor finds every way, trampolines first', () => {
    const names = FEATURES.map(({ name }) => name);
    const args = ['doctor', '--features', names.join(), '-o', 'json'];
    const report = JSON.parse(
      execFileSync(join(ROOT, 'dist/netobserv'), args, { encoding: 'utf8' }),
    ) as DoctorReport;
    const found = report.features.filter(({ name }) => names.includes(name));
    expect(found.map(({ ways }) => ways.map(({ why }) => why))).toEqual(
      FEATURES.map((spec) => waysOf(spec, agentConfig()).map(() => undefined)),
    );
    expect(found.map(({ ways }) => ways[0]!.programs)).toEqual(
      FEATURES.map((spec) => programsOf(spec, 0)),
    );
  });

  test('the agent attaches trampolines, and says so in its metrics', async () => {
    const on = Object.fromEntries(FEATURES.map(({ variable }) => [variable, 'true']));
    await using host = await startAgent(on);
    expect(host.agent.status().features.map(({ state }) => state)).toEqual(['on', 'on']);

    const text = await host.metrics.registry.metrics();
    const attached = [...text.matchAll(/^probe_misses_total\{program="(\w+)"\} (\d+)$/gm)];
    expect(attached.map(([, program, misses]) => `${program} ${misses}`).sort()).toEqual(
      FEATURES.flatMap((spec) => programsOf(spec, 0))
        .map((program) => `${program} 0`)
        .sort(),
    );
  });
});
