import { expect, test } from 'vitest';
import { dnsMetrics, messageKind } from '../../../../src/agent/drain/layout.gen.ts';
import { dns } from '../../../../src/agent/features/dns.ts';
import {
  edns,
  FIRST_NAME,
  message,
  name,
  pointer,
  Type,
} from '../../../support/codec/dns-message.ts';
import { type BedFlow, FeatureBed } from '../../../support/kernel/feature-bed.ts';
import { messageRecord, queryKey } from '../../../support/kernel/message-kernel.ts';

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

interface Said {
  readonly flags?: number;
  readonly code?: number;
  /** Bytes of the question in the waiting query; default: all. */
  readonly asked?: number;
  readonly timeMs?: number;
}

/** A server's answer for a name; `address` is the last byte of its own address. */
function answer(id: number, asked: string, address?: number, said: Said = {}): Buffer {
  const { flags = 0x8180, code, timeMs = 0 } = said;
  const question = { name: name(asked), type: Type.A };
  const data = address === undefined ? undefined : Buffer.of(10, 0, 0, address);
  const answers = data === undefined ? [] : [{ name: pointer(FIRST_NAME), type: Type.A, data }];
  const bytes = message(id, flags, [question], answers, code === undefined ? [] : [edns(code)]);
  const options = { asked: said.asked ?? question.name.length + 4, timeMs };
  return messageRecord(messageKind.dns, queryKey(SOURCE, id), bytes, options);
}

test('a flow shows what belongs to its last response, in whichever drain that is', async () => {
  const bed = new FeatureBed(dns);
  // The third came after the swap of the maps: it belongs to the next drain.
  bed.kernel.leave(answer(1, 'one.example'), answer(2, 'two.example'), answer(3, 'three.example'));
  const [first] = await bed.drain(response(2));
  const [second] = await bed.drain(response(3));
  const [third] = await bed.drain(response(2));
  expect(first).toMatchObject({ DnsName: 'two.example', DnsLatencyMs: 1.235, DnsId: 2 });
  expect(second).toMatchObject({ DnsName: 'three.example' });
  expect(third).toMatchObject({ DnsName: '', DnsQueryType: '', DnsAnswers: [], DnsId: 2 });
});

test('addresses are named by answers, not by refusals', async () => {
  const bed = new FeatureBed(dns);
  const names = async (): Promise<unknown> => (await bed.drain(response(9)))[0]?.SrcDnsName;
  bed.kernel.leave(answer(1, 'refused.example', 1, { flags: 0x8185 }));
  expect(await names()).toBe('');
  bed.kernel.leave(answer(2, 'one.example', 1, { timeMs: bed.nowMs }));
  expect(await names()).toBe('one.example');
  bed.nowMs += 301_000;
  expect(await names()).toBe('');
});

test.each([
  ['nobody asked', 0],
  ['a shorter name was asked for', name('one.example').length],
])('an answer names nothing when %s', async (_why, asked) => {
  const bed = new FeatureBed(dns);
  bed.kernel.leave(answer(1, 'one.example', 1, { asked }));
  const [flow] = await bed.drain(response(1));
  expect(flow).toMatchObject({ SrcDnsName: '', DnsName: 'one.example', DnsAnswers: ['10.0.0.1'] });
});

test.each([
  // why, flags of the entry, of the message, code of EDNS, name of the code, flags shown
  ['the last one, not all together', 0x8183, 0x8181, undefined, 'FormErr', 0x8181],
  ['flags of the others stay', 0x8580, 0x8182, undefined, 'ServFail', 0x8582],
  ['the operation is a number, too', 0xb180, 0xa980, undefined, 'NoError', 0xa980],
  ['extended', 0x8187, 0x8187, 23, 'BADCOOKIE', 0x8187],
  ['extended, with nothing in the header', 0x8180, 0x8180, 16, 'BADVERS', 0x8180],
  ['without a name', 0x818c, 0x818c, 12, 'UnDefined', 0x818c],
])('codes: %s', async (_why, entry, flags, code, text, shown) => {
  const bed = new FeatureBed(dns);
  bed.kernel.leave(
    answer(1, 'a.example', undefined, code === undefined ? { flags } : { flags, code }),
  );
  const [flow] = await bed.drain(response(1, entry));
  expect(flow).toMatchObject({ DnsFlagsResponseCode: text, DnsFlags: shown, DnsName: 'a.example' });
});

test('without its message, a response shows the code of its header', async () => {
  const [flow] = await new FeatureBed(dns).drain(response(1, 0x8183));
  expect(flow).toMatchObject({ DnsFlagsResponseCode: 'NXDomain', DnsFlags: 0x8183, DnsName: '' });
});

test('a flow with very many answers leaves room for others', async () => {
  const bed = new FeatureBed(dns);
  const flood = Array.from({ length: 40_000 }, (_, id) => answer(id, 'flood.example'));
  bed.kernel.pieces = [];
  for (let i = 0; i < flood.length; i += 1250) {
    bed.kernel.pieces.push(Buffer.concat(flood.slice(i, i + 1250)));
  }
  bed.kernel.pieces.push(new Uint8Array(0));
  expect(await bed.drain(response(39_999))).toEqual([
    expect.objectContaining({ DnsName: 'flood.example' }),
  ]);
  expect(await bed.metrics.registry.metrics()).not.toMatch(/answers_full.* [1-9]/);
});

test('lost queries bear their name, where nothing was answered', async () => {
  const bed = new FeatureBed(dns);
  const question = Buffer.concat([name('Lost.example'), Buffer.of(0, 28, 0, 1)]);
  bed.kernel.queries = [{ ...SOURCE, id: 1, askedMs: 1, question }];
  expect(await bed.drain()).toEqual([
    expect.objectContaining({ DnsLostQueries: 1, DnsName: 'lost.example', DnsQueryType: 'AAAA' }),
  ]);

  bed.nowMs += 1000;
  bed.kernel.queries = [{ ...SOURCE, id: 1, askedMs: 1, question }];
  bed.kernel.leave(answer(2, 'one.example'));
  expect(await bed.drain(response(2))).toEqual([
    expect.objectContaining({ DnsLostQueries: 1, DnsName: 'one.example', DnsQueryType: 'A' }),
  ]);
});

test('whoever takes no flows without packets gets none, and what they were for is counted', async () => {
  const bed = new FeatureBed(dns, {}, false);
  const flow = { key: queryKey(SOURCE, 0), extension: Buffer.alloc(dnsMetrics.sizeBytes) };
  bed.kernel.queries = [1, 2, 3].map((id) => ({ ...SOURCE, port: 50 + id, id, askedMs: 1 }));
  const flows = await bed.drain(flow);
  expect(flows.map(({ SrcPort, DnsLostQueries }) => [SrcPort, DnsLostQueries])).toEqual([[53, 1]]);
  expect(await bed.metrics.registry.metrics()).toContain(
    'feature_losses_total{feature="dns",reason="lost_without_flow"} 2',
  );
});

test.each([
  ['all packets', {}, [1]],
  ['a sample of them', { SAMPLING: '2' }, []],
  ['one direction', { DIRECTION: 'ingress' }, []],
  ['what a rule is about', { FLOW_FILTER_RULES: 'destination_port=53' }, []],
  ['a sample by a rule', { FLOW_FILTER_RULES: 'port=53 sample=10' }, []],
])('with %s seen, queries without an answer are lost or not', async (_why, env, lost) => {
  const bed = new FeatureBed(dns, { STALE_ENTRIES_EVICT_TIMEOUT: '3s', ...env });
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
  const bed = new FeatureBed(dns);
  bed.kernel.broken = new Error('EPERM');
  expect(await bed.drain(response(1))).toHaveLength(1);
  expect(await bed.metrics.registry.metrics()).toContain('error="CannotPurgeQueries"');
});
