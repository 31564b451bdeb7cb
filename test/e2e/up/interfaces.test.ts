import { describe, expect, test } from 'vitest';
import { ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { startUp, sumOf } from '../../support/processes/up-host.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 10_000, interval: 50 } as const;

describe.skipIf(requireRoot())('interfaces that come, change and go while the program runs', () => {
  test('are shown, and their traffic carries the name that they have', async () => {
    await using lab = new Lab();
    const first = lab.namespace('first');
    await using up = await startUp([
      ...['--interfaces', ONLY_TESTS, '--cache-active-timeout', '100ms'],
    ]);
    const watched = async (): Promise<string[]> => {
      const { interfaces } = (await up.status()).agent;
      return interfaces.map(({ namespace, name }) => `${namespace}/${name}`).sort();
    };
    const packetsOf = async (name: string): Promise<number> =>
      sumOf(await up.rows(`Interfaces="${name}"`), 'Packets');
    expect(await watched()).toEqual([]);

    // A new namespace with one end of a wire, neither of which existed at the start.
    const second = lab.namespace('second');
    const [a, b] = lab.pair({ namespace: first }, { namespace: second });
    await expect.poll(watched, SOON).toEqual([`${first}/${a}`, `${second}/${b}`]);
    await lab.sweep(first, a, { flows: 5, perSecond: 1000 });
    await expect.poll(() => packetsOf(a), SOON).toBe(5);
    expect(await packetsOf(b)).toBe(5);

    const renamed = lab.linkName();
    ip('-n', first, 'link', 'set', a, 'name', renamed);
    await expect.poll(watched, SOON).toEqual([`${first}/${renamed}`, `${second}/${b}`].sort());
    await lab.sweep(first, renamed, { flows: 7, perSecond: 1000 });
    await expect.poll(() => packetsOf(renamed), SOON).toBe(7);
    expect([await packetsOf(a), await packetsOf(b)]).toEqual([5, 12]);

    lab.removeNamespace(second);
    await expect.poll(watched, SOON).toEqual([]);
    expect(await packetsOf(renamed)).toBe(7);
  });
});
