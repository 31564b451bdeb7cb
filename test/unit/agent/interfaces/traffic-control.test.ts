import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CLSACT_EGRESS,
  decodeTrafficControl,
  encodeFilterDump,
  interfacesIn,
} from '../../../../src/agent/interfaces/traffic-control.ts';
import {
  doneMessage,
  errorMessage,
  filterMessage,
  qdiscMessage,
} from '../../../support/kernel/netlink-messages.ts';

const FILTER = { ifindex: 7, parent: CLSACT_EGRESS, name: 'netobserv:1', program: 99, sequence: 3 };

test('qdiscs, filters with their programs, and the end', () => {
  const bytes = Buffer.concat([
    qdiscMessage(7, 'clsact', 3),
    filterMessage(FILTER),
    doneMessage(3),
    errorMessage(3, 19),
  ]);
  const { sequence, ...filter } = FILTER;
  expect(decodeTrafficControl(bytes)).toEqual([
    { kind: 'qdisc', sequence, qdisc: { ifindex: 7, handle: 0xffff0000, kind: 'clsact' } },
    {
      kind: 'filter',
      sequence,
      filter: { ...filter, kind: 'bpf', priority: 1, handle: 0x6e6f62 },
    },
    { kind: 'done', sequence, errno: 0 },
    { kind: 'done', sequence, errno: 19 },
  ]);
  expect(interfacesIn(bytes.subarray(0, -64))).toEqual([7]);
});

test('a dump is asked for in the kernel’s layout', () => {
  const view = new DataView(encodeFilterDump(5, 7, CLSACT_EGRESS).buffer);
  expect([view.byteLength, view.getUint16(4, true), view.getUint32(8, true)]).toEqual([36, 46, 5]);
  expect([view.getInt32(20, true), view.getUint32(28, true)]).toEqual([7, CLSACT_EGRESS]);
});

test('any bytes are read to some end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(150), (noise, cut) => {
      const bytes = Buffer.concat([filterMessage(FILTER).subarray(0, cut), noise]);
      expect(decodeTrafficControl(bytes).length).toBeLessThan(20);
      expect(interfacesIn(bytes).length).toBeLessThan(20);
    }),
  );
});
