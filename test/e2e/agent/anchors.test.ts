import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BpfObject, Native } from '../../../src/agent/loader/native.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { loadNative, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { ROOT } from '../../support/source-tree.ts';

const PACKETS = 100;

describe.skipIf(requireRoot())('TCX programs of others that decide a packet’s fate', () => {
  let native: Native;
  let other: BpfObject;
  beforeEach(() => {
    native = loadNative();
    other = native.load(readFileSync(join(ROOT, 'build/bpf/last_word.bpf.o')), {
      config: new Uint8Array(0),
      maxEntries: {},
      programs: ['last_word'],
    });
  });
  afterEach(() => native.close(other));

  async function attachOther(
    namespace: string,
    name: string,
    direction: 'ingress' | 'egress',
  ): Promise<void> {
    const [link] = JSON.parse(ip('-n', namespace, '-j', 'link', 'show', 'dev', name)) as [
      { ifindex: number },
    ];
    const { fd } = native.openNamespace(`/var/run/netns/${namespace}`);
    const where = { ifindex: link.ifindex, direction, netns: fd } as const;
    await native.attach(other, { ...where, program: 'last_word', mode: 'tcx', anchor: 'none' });
    native.closeFd(fd);
  }

  function packetsOfOther(): number {
    const value = Buffer.alloc(8);
    native.readMap(other, 'packets', 0, value);
    return Number(value.readBigUInt64LE());
  }

  test.each([
    // direction, anchor, the packets that we see
    ['ingress', 'head', PACKETS],
    ['egress', 'head', PACKETS],
    ['ingress', 'tail', 0],
    ['egress', 'tail', 0],
    ['ingress', 'none', 0],
    ['egress', 'none', 0],
  ] as const)('%s, anchored at %s: %i packets are seen', async (direction, anchor, seen) => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a, b] = lab.pair({ namespace: left }, { namespace: right });
    const [namespace, name] = direction === 'egress' ? [left, a] : [right, b];
    await attachOther(namespace, name, direction);

    {
      await using host = await startAgent({
        INTERFACES: name,
        DIRECTION: direction,
        [`TCX_ATTACH_ANCHOR_${direction.toUpperCase()}`]: anchor,
      });
      await lab.sweep(left, a, { flows: PACKETS, perSecond: 50_000 });
      expect((await host.seen()).packets).toBe(seen);
      expect(packetsOfOther()).toBe(PACKETS);
    }

    // Ours is gone, and theirs is in its old place.
    await lab.sweep(left, a, { flows: PACKETS, perSecond: 50_000 });
    expect(packetsOfOther()).toBe(2 * PACKETS);
  });
});
