import { beforeEach, expect, test } from 'vitest';
import { DrainBuffer } from '../../../../src/agent/drain/buffer.ts';
import { dnsMetrics, flowKey, flowMetrics } from '../../../../src/agent/drain/layout.gen.ts';
import { LostQueries } from '../../../../src/agent/features/dns-lost.ts';
import type { BpfObject } from '../../../../src/agent/loader/native.ts';
import { MessageKernel, type Query, queryKey } from '../../../support/kernel/message-kernel.ts';

const AT = flowMetrics.sizeBytes;
const VALUE_BYTES = AT + dnsMetrics.sizeBytes;

let kernel: MessageKernel;
let lost: LostQueries;
let buffer: DrainBuffer;
const query = (port: number, id: number, askedMs: number, source = '10.0.0.1'): Query => ({
  ...{ source, port, id, askedMs },
});

beforeEach(() => {
  kernel = new MessageKernel();
  lost = new LostQueries(kernel, {} as BpfObject);
  buffer = new DrainBuffer(4, VALUE_BYTES);
});

/** Kernel entries of these ports, with the amount added to each. */
function added(...ports: readonly number[]): number[] {
  buffer.values.fill(0);
  for (const [row, port] of ports.entries()) {
    buffer.keys.set(queryKey({ source: '10.0.0.1', port }, 0), row * flowKey.sizeBytes);
  }
  lost.addTo(buffer, ports.length, AT);
  return ports.map((_, row) => lostOf(row));
}

function lostOf(row: number): number {
  return buffer.values32[(row * VALUE_BYTES + AT + dnsMetrics.lost) >> 2]!;
}

function made(): string[] {
  const flows: string[] = [];
  const view = new DataView(buffer.values.buffer);
  // Earlier contents of the buffer must not show.
  buffer.values.fill(0xee);
  for (let length = lost.makeFlows(buffer, AT); length > 0; length = lost.makeFlows(buffer, AT)) {
    for (let row = 0; row < length; row++) {
      const value = row * VALUE_BYTES;
      const port = buffer.keys16[(row * flowKey.sizeBytes + flowKey.srcPort) >> 1];
      const key = row * flowKey.sizeBytes;
      const icmp = buffer.keys[key + flowKey.icmpType]! | buffer.keys[key + flowKey.icmpCode]!;
      const startMs = Number(view.getBigUint64(value + flowMetrics.startNs, true)) / 1e6;
      const endMs = Number(view.getBigUint64(value + flowMetrics.endNs, true)) / 1e6;
      const packets = Number(view.getBigUint64(value + flowMetrics.packets, true));
      const type = view.getUint16(value + flowMetrics.ethProtocol, true).toString(16);
      flows.push([port, icmp, startMs, endMs, packets, type, lostOf(row)].join());
    }
    buffer.values.fill(0xee);
  }
  return flows;
}

test('those that have waited too long are removed, and counted on their flows', async () => {
  kernel.queries = [query(1, 0xabcd, 100), query(2, 1, 200), query(1, 2, 150), query(3, 3, 199)];
  await lost.purge(200, true);
  expect(kernel.queries).toEqual([query(2, 1, 200)]);
  expect(added(2, 1)).toEqual([0, 2]);
  // Each loss is reported once.
  expect(added(1)).toEqual([0]);
  expect(made()).toEqual(['3,0,199,199,0,800,1']);
  expect(made()).toEqual([]);
});

test('queries of the busy are lost as all others are', async () => {
  const busy = { ...query(1, 3, 120), isBusy: true };
  const young = { ...query(3, 4, 300), isBusy: true };
  kernel.queries = [query(1, 1, 100), busy, query(2, 2, 200), young];
  await lost.purge(200, true);
  expect(kernel.queries).toEqual([query(2, 2, 200), young]);
  expect(added(2, 1)).toEqual([0, 2]);
});

test('more flows than a buffer holds, of both families', async () => {
  kernel.queries = Array.from({ length: 9 }, (_, index) =>
    query(index, 7, index + 1, '2001:db8::1'),
  );
  await lost.purge(100, true);
  expect(made()).toEqual(
    Array.from({ length: 9 }, (_, index) => [index, 0, index + 1, index + 1, 0, '86dd', 1].join()),
  );
});

test('what is on no flow is told once', async () => {
  kernel.queries = [query(1, 1, 100), query(1, 2, 100), query(2, 1, 100)];
  await lost.purge(200, true);
  expect(added(2)).toEqual([1]);
  expect([lost.takeLeft(), lost.takeLeft()]).toEqual([2, 0]);
  expect(made()).toEqual([]);
});

test('where not every packet is seen, they are removed and count for nothing', async () => {
  kernel.queries = [query(1, 1, 100)];
  await lost.purge(200, false);
  expect(kernel.queries).toEqual([]);
  expect([added(1), made()]).toEqual([[0], []]);
});

test('nothing to remove asks nothing of the kernel', async () => {
  kernel.queries = [query(1, 1, 300)];
  await lost.purge(200, true);
  expect(kernel.removed).toEqual([]);
  expect([added(1), made()]).toEqual([[0], []]);
});
