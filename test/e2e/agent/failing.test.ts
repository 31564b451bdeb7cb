import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { freePort, programCommand, startProgram } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';

const BREAKER = join(import.meta.dirname, '../../support/processes/watcher-end-child.ts');

const PACKETS = 50;

/** The agent from source; SIGUSR2 ends its watching thread. */
function breakable(): readonly string[] {
  const [node = '', main = ''] = programCommand('source');
  return [node, '--import', BREAKER, main];
}

describe.skipIf(requireRoot())('a component that fails while the agent runs', () => {
  test('ends the agent in order: flows are handed on, hooks go, the code says why', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const ends = [
      { namespace: left, addresses: ['192.0.2.1/24'] },
      { namespace: right, addresses: ['192.0.2.2/24'] },
    ] as const;
    const [inLeft] = lab.pair(...ends);
    const inside = ['ip', 'netns', 'exec', left];
    const program = startProgram(['agent'], {
      command: [...inside, ...breakable()],
      env: {
        PATH: process.env.PATH,
        EXPORT: 'stdout',
        AGENT_IP: '192.0.2.9',
        INTERFACES: inLeft,
        // Its filters stay unless they are removed, and only the end drains.
        TC_ATTACH_MODE: 'tc',
        CACHE_ACTIVE_TIMEOUT: '1h',
        LISTEN_CONTAINERS_PERIOD: '0',
        METRICS_SERVER_PORT: `${await freePort()}`,
      },
    });
    await program.waitFor(/"msg":"agent is up"/);
    const hooks = (): string => lab.inside(left, 'tc', 'qdisc', 'show', 'dev', inLeft);
    expect(hooks()).toContain('clsact');
    const traffic = { address: '192.0.2.2', port: 4739, count: PACKETS, sizeBytes: 100 };
    expect(await lab.udp(left, right, traffic)).toBe(PACKETS);

    program.child.kill('SIGUSR2');
    // The thread sleeps in its current wait: a change of an interface wakes it.
    await expect
      .poll(() => {
        execFileSync('ip', ['-n', left, 'link', 'set', inLeft, 'alias', `${Math.random()}`]);
        return program.output();
      })
      .toContain('a component failed: the program ends');
    expect(await program.end()).toBe(1);

    const output = program.output();
    expect(output).toMatch(/error: the thread that waits for messages .*\[ERR_AGENT_WATCH\]/);
    const rows = output.split('\n').filter((line) => line.includes('"DstPort":4739'));
    const packets = rows.map((row) => (JSON.parse(row) as { Packets: number }).Packets);
    expect(packets.reduce((sum, count) => sum + count, 0)).toBe(PACKETS);
    expect(hooks()).not.toContain('clsact');
  });
});
