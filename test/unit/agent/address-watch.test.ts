import type { NetworkInterfaceInfo } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import type { HostAddresses } from '../../../src/agent/address.ts';
import { AddressWatch } from '../../../src/agent/address-watch.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { agentConfig } from '../../support/processes/agent-host.ts';

const PERIOD_MS = 10_000;

/** A machine whose addresses the test changes. */
class Machine implements HostAddresses {
  outside: string | undefined;
  own: readonly string[] = [];

  networkInterfaces(): NodeJS.Dict<NetworkInterfaceInfo[]> {
    const infos = this.own.map((address) => ({
      ...{ address, internal: false, netmask: '', mac: '', cidr: null },
      family: 'IPv4' as const,
    }));
    return { eth0: infos };
  }

  async towardsOutside(family: string): Promise<string | undefined> {
    return family === 'ipv4' ? this.outside : undefined;
  }
}

const watches: AddressWatch[] = [];
afterEach(() => {
  for (const watch of watches.splice(0)) watch.stop();
});

async function watching(machine: Machine, env: Record<string, string> = {}) {
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = createLog('info', { write: (line: string) => lines.push(line) > 0 });
  const watch = new AddressWatch(agentConfig(env), { host: machine, clock, log });
  watches.push(watch);
  await watch.start();
  return { watch, lines, look: () => clock.advance(PERIOD_MS) };
}

test('an address that changes is the agent’s from the next look on', async () => {
  const machine = new Machine();
  machine.outside = '192.0.2.1';
  const { watch, look, lines } = await watching(machine);
  expect(watch.current()).toBe('192.0.2.1');
  machine.outside = '192.0.2.2';
  await look();
  await expect.poll(() => watch.current()).toBe('192.0.2.2');
  expect(lines.join()).toContain('the agent has another address');
});

test('one that comes after the start is found', async () => {
  const machine = new Machine();
  const { watch, look } = await watching(machine);
  expect(watch.current()).toBe('');
  machine.outside = '192.0.2.1';
  await look();
  await expect.poll(() => watch.current()).toBe('192.0.2.1');
});

test('while there is none the last one stands, and that is told once', async () => {
  const machine = new Machine();
  machine.own = ['192.0.2.1'];
  const { watch, look, lines } = await watching(machine, { AGENT_IP_IFACE: 'name:eth0' });
  machine.own = [];
  for (let i = 0; i < 3; i++) await look();
  await expect.poll(() => lines.length).toBe(1);
  expect(lines[0]).toContain('interface eth0 has no address');
  expect(watch.current()).toBe('192.0.2.1');
});

test('one that was given is not looked for', async () => {
  const machine = new Machine();
  machine.outside = '192.0.2.1';
  const { watch, look } = await watching(machine, { AGENT_IP: '198.51.100.1' });
  await look();
  expect(watch.current()).toBe('198.51.100.1');
});
