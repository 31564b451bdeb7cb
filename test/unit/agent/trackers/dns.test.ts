import { expect, test } from 'vitest';
import { dnsMetrics, messageKind } from '../../../../src/agent/drain/layout.gen.ts';
import { dns } from '../../../../src/agent/trackers/dns.ts';
import { FIRST_NAME, message, name, pointer, Type } from '../../../support/dns-message.ts';
import { messageRecord, queryKey } from '../../../support/message-kernel.ts';
import { type BedFlow, TrackerBed } from '../../../support/tracker-bed.ts';

const SOURCE = { source: '10.0.0.1', port: 53 };

/** A flow whose last response has this id. */
function response(id: number, flags = 0x8180): BedFlow {
  const extension = Buffer.alloc(dnsMetrics.sizeBytes);
  extension.writeUInt16LE(id, dnsMetrics.id);
  extension.writeUInt16LE(flags, dnsMetrics.flags);
  extension.writeBigUInt64LE(1_234_567n, dnsMetrics.latencyNs);
  extension[dnsMetrics.seen] = 1;
  return { key: queryKey(SOURCE, 0), extension };
}

/** What a server says of a name; `address` is the last byte of an address of its own. */
function answer(id: number, asked: string, address?: number, flags = 0x8180): Buffer {
  const question = { name: name(asked), type: Type.A };
  const data = address === undefined ? undefined : Buffer.of(10, 0, 0, address);
  const answers = data === undefined ? [] : [{ name: pointer(FIRST_NAME), type: Type.A, data }];
  const bytes = message(id, flags, [question], answers);
  return messageRecord(messageKind.dns, queryKey(SOURCE, id), bytes);
}

test('a flow shows what belongs to its last response, in whichever drain that is', async () => {
  const bed = new TrackerBed(dns);
  // The third came after the maps had been swapped: it is of the next drain.
  bed.kernel.leave(answer(1, 'one.example'), answer(2, 'two.example'), answer(3, 'three.example'));
  const [first] = await bed.drain(response(2));
  const [second] = await bed.drain(response(3));
  const [third] = await bed.drain(response(2));
  expect(first).toMatchObject({ DnsName: 'two.example', DnsLatencyMs: 1.235, DnsId: 2 });
  expect(second).toMatchObject({ DnsName: 'three.example' });
  expect(third).toMatchObject({ DnsName: '', DnsQueryType: '', DnsAnswers: [], DnsId: 2 });
});

test('addresses are named by answers, not by refusals', async () => {
  const bed = new TrackerBed(dns);
  const names = async (): Promise<unknown> => (await bed.drain(response(9)))[0]?.SrcDnsName;
  bed.kernel.leave(answer(1, 'refused.example', 1, 0x8185));
  expect(await names()).toBe('');
  bed.kernel.leave(answer(2, 'one.example', 1));
  expect(await names()).toBe('one.example');
  bed.nowMs += 301_000;
  expect(await names()).toBe('');
});

test.each([
  ['all packets', {}, [1]],
  ['a sample of them', { SAMPLING: '2' }, []],
  ['one direction', { DIRECTION: 'ingress' }, []],
  ['what a rule is about', { FLOW_FILTER_RULES: 'destination_port=53' }, []],
  ['a sample by a rule', { FLOW_FILTER_RULES: 'port=53 sample=10' }, []],
])('with %s seen, queries without an answer are lost or not', async (_why, env, lost) => {
  const bed = new TrackerBed(dns, { STALE_ENTRIES_EVICT_TIMEOUT: '3s', ...env });
  const { nowMs } = bed;
  const query = (id: number, agoMs: number) => ({ ...SOURCE, id, askedMs: nowMs - agoMs });
  bed.kernel.queries = [query(1, 3001), query(2, 3000)];
  const flows = await bed.drain();
  expect(flows.map((flow) => flow.DnsLostQueries)).toEqual(lost);
  expect(bed.kernel.queries.map(({ id }) => id)).toEqual([2]);
  // Not before a second has passed.
  bed.nowMs += 999;
  expect(await bed.drain()).toEqual([]);
  bed.nowMs += 1;
  expect((await bed.drain()).map((flow) => flow.DnsLostQueries)).toEqual(lost);
});

test('queries that cannot be read hold up nothing', async () => {
  const bed = new TrackerBed(dns);
  bed.kernel.broken = new Error('EPERM');
  expect(await bed.drain(response(1))).toHaveLength(1);
  expect(await bed.metrics.registry.metrics()).toContain('error="CannotPurgeQueries"');
});
