/** A sender that fills the map faster than it is drained takes only a share of the free room. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { Lab } from '../../support/lab/netns.ts';
import { requireRoot } from '../../support/require.ts';
import { type Container, hookInterface, makeContainer } from './containers.ts';
import { loadDatapath, native, readStats, takeFlows } from './datapath.ts';
import { EtherType, ethernet, ipv4, Proto, udp } from './frames.ts';

const ENTRIES = 1000;
const WAKE = 350;
const FLOOD = 5000;
const OTHERS = 15;
/** Destination address of the others' frames. */
const OTHERS_TARGET = [198, 51, 100, 77];

describe.skipIf(requireRoot())('room for new flows', () => {
  let lab: Lab;
  let datapath: BpfObject;

  beforeEach(() => {
    lab = new Lab();
    datapath = loadDatapath({ entries: ENTRIES, wakeEntries: WAKE });
  });
  afterEach(async () => {
    native.close(datapath);
    await lab[Symbol.asyncDispose]();
  });

  const hook = (namespace: string, name: string): Promise<void> =>
    hookInterface(datapath, namespace, name);

  const container = (name: string, host: string): Promise<Container> =>
    makeContainer(lab, datapath, name, host);

  const othersFrames = Array.from({ length: OTHERS }, (_, port) => {
    const addresses = { source: [198, 51, 100, 1], target: OTHERS_TARGET };
    return ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(20, 2000 + port, 53), addresses));
  });

  async function flowsBySender(): Promise<{ flood: number; others: number; packets: number }> {
    const flows = await takeFlows(datapath);
    const target = Buffer.from(OTHERS_TARGET).toString('hex');
    const others = flows.filter(({ key }) => key.split(',')[1]!.endsWith(target)).length;
    const packets = flows.reduce((sum, flow) => sum + flow.packets, 0);
    return { flood: flows.length - others, others, packets };
  }

  test('one container floods: the others’ flows are all there, and every packet counts', async () => {
    const host = lab.namespace('host');
    const { namespace: bad, inner: flooding } = await container('bad', host);
    const { namespace: good, inner: quiet } = await container('good', host);

    await lab.sweep(bad, flooding, { flows: FLOOD, perSecond: 200_000 });
    await lab.frames(good, quiet, othersFrames);

    const { mapFull } = readStats(datapath);
    const { flood, others, packets } = await flowsBySender();
    expect(others).toBe(OTHERS);
    expect(flood).toBeGreaterThan(ENTRIES * 0.94);
    expect(flood).toBeLessThan(ENTRIES * 0.98);
    expect(packets + mapFull.packets).toBe(FLOOD + OTHERS);
  });

  test('a namespace that floods by many interfaces takes its share as one', async () => {
    const host = lab.namespace('host');
    const bad = lab.namespace('bad');
    const { namespace: good, inner: quiet } = await container('good', host);
    for (let at = 0; at < 6; at++) {
      const [inner] = lab.pair({ namespace: bad }, { namespace: host });
      await hook(bad, inner);
      const source = [203, 0, 113, at + 10];
      const frames = Array.from({ length: FLOOD / 5 }, (_, port) =>
        ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(20, 2000 + port, 53), { source })),
      );
      await lab.frames(bad, inner, frames);
    }
    await lab.frames(good, quiet, othersFrames);

    const { flood, others } = await flowsBySender();
    expect(others).toBe(OTHERS);
    expect(flood).toBeLessThan(ENTRIES * 0.99);
  });

  test('the share is of one map: after a swap there is room again', async () => {
    const { namespace: bad, inner: flooding } = await container('bad', lab.namespace('host'));
    await lab.sweep(bad, flooding, { flows: FLOOD, perSecond: 200_000 });
    const { flood: first } = await flowsBySender();
    await lab.sweep(bad, flooding, { flows: FLOOD, perSecond: 200_000 });
    const { flood: second } = await flowsBySender();
    expect(second).toBe(first);
  });
});
