import { describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { type FlowView, startAgent, sumOf } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const FRAME_BYTES = 64;

/** Traffic of `traffic sweep`: the flow of a packet shows its position in the sequence. */
function swept(flows: readonly FlowView[]): FlowView[] {
  return flows.filter((flow) => flow.DstAddr === '203.0.113.1');
}

function placeOf(flow: FlowView): number {
  return Number(flow.SrcAddr.split('.')[1]) * 50_000 + (flow.SrcPort ?? 0) - 1024;
}

describe.skipIf(requireRoot())('nothing is lost without being counted', () => {
  test('a map far too small: recorded and unrecorded add up to what was sent', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a] = lab.pair({ namespace: left }, { namespace: right });
    await using host = await startAgent({
      INTERFACES: a,
      DIRECTION: 'egress',
      CACHE_MAX_FLOWS: '64',
    });
    const before = await host.seen();
    const link = lab.counters(left, a);

    const sent = await lab.sweep(left, a, { flows: 20_000, perSecond: 200_000 });

    expect(sent).toBe(20_000);
    const after = await host.seen();
    const moved = lab.counters(left, a);
    expect(after.packets - before.packets).toBe(moved.txPackets - link.txPackets);
    expect(after.bytes - before.bytes).toBe(moved.txBytes - link.txBytes);
    const { unrecorded, seenPackets, seenBytes } = host.accounting();
    expect({ packets: seenPackets, bytes: seenBytes }).toEqual(after);
    // A single interface leaves part of the map to others.
    expect(host.agent.status().vitals).toMatchObject({ mapEntries: 640 });
    expect(host.agent.status().vitals!.mapFillMax).toBeCloseTo(0.96, 1);
    expect(host.agent.status().vitals!.bpfBytes).toBeGreaterThan(640 * 2 * 144);
    expect(unrecorded.map_full?.packets).toBeGreaterThan(0);
    expect(unrecorded.map_full?.bytes).toBe(unrecorded.map_full!.packets * FRAME_BYTES);
    const recorded = swept(host.flows).reduce((sum, flow) => sum + flow.Packets, 0);
    expect(recorded + unrecorded.map_full!.packets).toBe(sent);
  });

  test.each([...['1000', '10000']])(
    '100,000 new flows a second, CACHE_MAX_FLOWS=%s: 99 of 100 recorded, all accounted for',
    async (flows) => {
      await using lab = new Lab();
      const left = lab.namespace('left');
      const right = lab.namespace('right');
      const [a] = lab.pair({ namespace: left }, { namespace: right });
      const handed = { flows: 0, packets: 0 };
      await using host = await startAgent(
        { INTERFACES: a, DIRECTION: 'egress', CACHE_MAX_FLOWS: flows },
        {
          emit(batch) {
            const packets = batch.f64('Packets');
            handed.flows += batch.length;
            for (let row = 0; row < batch.length; row++) handed.packets += packets[row]!;
            return true;
          },
        },
      );
      const before = await host.seen();

      const sent = await lab.sweep(left, a, { flows: 200_000, perSecond: 100_000 });

      const after = await host.seen();
      expect(after.packets - before.packets).toBe(sent);
      expect(after.bytes - before.bytes).toBe(sent * FRAME_BYTES);
      expect(host.accounting().recordedPackets).toBe(handed.packets);
      expect(handed.packets / sent).toBeGreaterThanOrEqual(0.99);
    },
  );

  test('stopped in the middle of traffic: every packet up to the last seen is there', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a] = lab.pair({ namespace: left }, { namespace: right });
    const host = await startAgent({
      INTERFACES: a,
      DIRECTION: 'egress',
      CACHE_MAX_FLOWS: '200000',
      CACHE_ACTIVE_TIMEOUT: '50ms',
    });

    const sending = lab.sweep(left, a, { flows: 100_000, perSecond: 50_000 });
    await expect.poll(() => swept(host.flows).length, { timeout: 10_000 }).toBeGreaterThan(5000);
    await host[Symbol.asyncDispose]();
    await sending;

    // One packet per flow, in a known order: without a hole up to the last one, none was lost.
    const places = swept(host.flows).map(placeOf);
    expect(new Set(places).size).toBe(places.length);
    expect(Math.max(...places)).toBe(places.length - 1);
    expect(places.length).toBeLessThan(100_000);
    expect(swept(host.flows).every((flow) => flow.Packets === 1)).toBe(true);
  });

  test('what the pipeline does not take is counted', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a] = lab.pair({ namespace: left }, { namespace: right });
    await using host = await startAgent(
      { INTERFACES: a, DIRECTION: 'egress' },
      { emit: () => false },
    );
    const sent = await lab.sweep(left, a, { flows: 1000, perSecond: 50_000 });
    await host.agent.drainNow();
    const accounting = host.accounting();
    expect(accounting.recordedPackets).toBe(0);
    expect(accounting.unrecorded.pipeline_full?.packets).toBeGreaterThanOrEqual(sent);
    expect(sumOf(accounting).packets).toBeGreaterThanOrEqual(sent);
  });

  test('sampling: looked at and passed over add up, flows carry the rate', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a] = lab.pair({ namespace: left }, { namespace: right });
    await using host = await startAgent({ INTERFACES: a, DIRECTION: 'egress', SAMPLING: '10' });
    const before = await host.seen();
    const sent = await lab.sweep(left, a, { flows: 100, perSecond: 50_000, rounds: 100 });
    const after = await host.seen();
    expect(after.packets - before.packets).toBe(sent);
    expect(host.accounting().sampledOutPackets).toBeGreaterThan(sent / 2);
    expect(new Set(swept(host.flows).map((flow) => flow.Sampling))).toEqual(new Set([10]));
  });
});
