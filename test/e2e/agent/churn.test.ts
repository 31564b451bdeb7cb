import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { type AgentHost, hookedInterfaces, startAgent } from '../../support/agent-host.ts';
import { openDescriptors } from '../../support/descriptors.ts';
import { ONLY_TESTS } from '../../support/lab-pair.ts';
import { Lab } from '../../support/netns.ts';
import { requireRoot } from '../../support/require.ts';

const LONG = { timeout: 60_000, interval: 50 } as const;
const PAIRS = 50;

/** One process of `ip` for many changes. */
async function batch(namespace: string, lines: readonly string[]): Promise<void> {
  const child = spawn('ip', ['-n', namespace, '-batch', '-'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  child.stdin.end(`${lines.join('\n')}\n`);
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`ip -batch ended with ${status}`);
}

async function metric(host: AgentHost, name: string): Promise<string> {
  return host.metrics.registry.getSingleMetricAsString(name);
}

/** A wave of interfaces, both ends of each pair in one namespace. */
async function addPairs(lab: Lab, namespace: string): Promise<string[]> {
  const pairs = Array.from({ length: PAIRS }, () => [lab.linkName(), lab.linkName()] as const);
  const lines = pairs.flatMap(([left, right]) => [
    `link add ${left} up type veth peer name ${right}`,
    `link set ${right} up`,
  ]);
  await batch(namespace, lines);
  return pairs.map(([left]) => left);
}

describe.skipIf(requireRoot())('interfaces that come and go by the hundred', () => {
  test.each([
    ['tcx', 10],
    ['tc', 4],
  ] as const)(
    'leave nothing open, attached or counted as an error: %s, %i times',
    async (mode, waves) => {
      await using lab = new Lab();
      const kept = lab.namespace('kept');
      const [a] = lab.pair({ namespace: kept }, { namespace: kept });
      await using host = await startAgent({ INTERFACES: ONLY_TESTS, TC_ATTACH_MODE: mode });
      const watched = (): number => hookedInterfaces(host).length;
      expect(watched()).toBe(2);
      const before = openDescriptors();

      for (let wave = 0; wave < waves; wave++) {
        const churned = wave % 3 === 2 ? lab.namespace(`wave${wave}`) : kept;
        const names = await addPairs(lab, churned);
        // Every second wave is watched as a whole; the others go while hooks are coming.
        if (wave % 2 === 0) await expect.poll(watched, LONG).toBe(2 + 2 * PAIRS);
        if (churned !== kept) lab.removeNamespace(churned);
        else
          await batch(
            churned,
            names.map((name) => `link del ${name}`),
          );
      }
      await expect.poll(watched, LONG).toBe(2);

      await expect.poll(openDescriptors, LONG).toEqual(before);
      expect(await metric(host, 'errors_total')).not.toContain('InterfaceEvents');
      const events = await metric(host, 'interface_events_total');
      const count = (type: string): number =>
        Number(new RegExp(`type="${type}".* (\\d+)$`, 'm').exec(events)?.[1] ?? 0);
      expect(count(`attach_${mode}`)).toBeGreaterThanOrEqual(4 + (waves / 2) * PAIRS * 4);
      expect(count(`attach_${mode}`) - count(`detach_${mode}`)).toBe(4);
      expect(events).not.toContain('attach_fail');

      // What was there all the time is seen as before.
      await lab.sweep(kept, a, { flows: 10, perSecond: 1000 });
      await host.agent.drainNow();
      expect(host.flows.filter((flow) => flow.Interfaces[0] === a)).toHaveLength(10);
    },
    300_000,
  );
});
