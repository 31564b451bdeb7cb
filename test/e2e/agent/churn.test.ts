import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { openDescriptors } from '../../support/kernel/descriptors.ts';
import { ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import {
  type AgentHost,
  hookedInterfaces,
  startAgent,
} from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const LONG = { timeout: 60_000, interval: 50 } as const;
/** Number of pairs of interfaces in a wave. */
const PAIRS = 50;
/** With `tc` a thousand interfaces. By `tcx`, the kernel takes seconds to let go of a wave. */
const WAVES = { tcx: 4, tc: 10 } as const;
/** Number of interfaces that disappear together. */
const GROUP = 7;

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
async function addPairs(lab: Lab, namespace: string): Promise<void> {
  const lines = Array.from({ length: PAIRS }, () => {
    const [left, right] = [lab.linkName(), lab.linkName()];
    return [
      `link add ${left} up group ${GROUP} type veth peer name ${right}`,
      `link set ${right} up`,
    ];
  });
  await batch(namespace, lines.flat());
}

/** A namespace with a pair of permanent interfaces, and an agent that watches new ones there. */
async function startChurn(lab: Lab, mode: string) {
  const kept = lab.namespace('kept');
  const [a] = lab.pair({ namespace: kept }, { namespace: kept });
  const host = await startAgent({ INTERFACES: ONLY_TESTS, TC_ATTACH_MODE: mode });
  const watched = (): number => hookedInterfaces(host).length;
  expect(watched()).toBe(2);
  const before = openDescriptors();
  const count = async (type: string): Promise<number> => {
    const events = await metric(host, 'interface_events_total');
    return Number(new RegExp(`type="${type}".* (\\d+)$`, 'm').exec(events)?.[1] ?? 0);
  };
  /** Number of attached hooks. */
  const standing = async (): Promise<number> =>
    (await count(`attach_${mode}`)) - (await count(`detach_${mode}`));
  return {
    host,
    watched,
    /** Interfaces come, and disappear together or with their namespace. */
    async wave(number: number, whenThere: () => Promise<void>): Promise<void> {
      const churned = number % 3 === 2 ? lab.namespace(`wave${number}`) : kept;
      await addPairs(lab, churned);
      await whenThere();
      if (churned !== kept) lab.removeNamespace(churned);
      else await batch(churned, [`link del group ${GROUP}`]);
    },
    /** Number of all hooks attached so far, once all temporary interfaces are gone. */
    async attachedInAll(): Promise<number> {
      await expect.poll(watched, LONG).toBe(2);
      await expect.poll(openDescriptors, LONG).toEqual(before);
      // The agent lists an interface until it has finished with its hooks.
      await expect.poll(standing, LONG).toBe(4);
      expect(await metric(host, 'errors_total')).not.toMatch(/"InterfaceEvents".* [1-9]/);
      expect(await metric(host, 'interface_events_total')).not.toContain('attach_fail');

      // The permanent interfaces are seen as before.
      await lab.sweep(kept, a, { flows: 10, perSecond: 1000 });
      await host.agent.drainNow();
      expect(host.flows.filter((flow) => flow.Interfaces[0] === a)).toHaveLength(10);
      return count(`attach_${mode}`);
    },
  };
}

describe.skipIf(requireRoot())('interfaces that come and go by the hundred', () => {
  test.each(['tcx', 'tc'] as const)(
    'a hundred at once, again and again, are all watched and leave nothing behind: %s',
    async (mode) => {
      const waves = WAVES[mode];
      await using lab = new Lab();
      const churn = await startChurn(lab, mode);
      await using _host = churn.host;
      const beganMs = performance.now();
      for (let wave = 0; wave < waves; wave++) {
        await churn.wave(wave, () => expect.poll(churn.watched, LONG).toBe(2 + 2 * PAIRS));
        // Interfaces of a removed namespace stay listed for a moment; the next wave has other ones.
        await expect.poll(churn.watched, LONG).toBe(2);
      }
      expect(performance.now() - beganMs).toBeLessThan(6000 * waves);
      expect(await churn.attachedInAll()).toBe(4 + 2 * 2 * PAIRS * waves);
    },
    300_000,
  );

  test.each(['tcx', 'tc'])(
    'they leave nothing behind when they go while hooks are coming: %s',
    async (mode) => {
      await using lab = new Lab();
      const churn = await startChurn(lab, mode);
      await using _host = churn.host;
      for (let wave = 0; wave < 4; wave++) await churn.wave(wave, async () => undefined);
      expect(await churn.attachedInAll()).toBeGreaterThan(4);
    },
    300_000,
  );
});
