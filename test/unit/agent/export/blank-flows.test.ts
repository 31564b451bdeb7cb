import { expect, test } from 'vitest';
import { leaveBlankOut } from '../../../../src/agent/export/blank-flows.ts';
import { agentColumns } from '../../../../src/flow/agent-columns.ts';
import { BatchLayout } from '../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { type Row, rowsOf } from '../../../../src/flow/row.ts';
import { batchOf } from '../../../support/flows/batch-of.ts';

const LAYOUT = new BatchLayout(agentColumns());

function left(...rows: readonly Row[]): readonly unknown[] {
  const batch = batchOf(LAYOUT, new TableSpace().current, rows);
  leaveBlankOut(batch);
  return rowsOf(batch).map(({ Bytes }) => Bytes);
}

const blank = (facts: Row): Row => ({ Bytes: 2, Packets: 0, ...facts });

test.each<readonly [string, Row, boolean]>([
  ['packets', { Packets: 1 }, true],
  ['nothing', {}, false],
  ['a query that nobody answered', { DnsLostQueries: 1, DnsErrno: 0, DnsId: 0 }, false],
  ['a failed connect', { TcpFailedConnects: 1 }, false],
  ['drops', { PktDropPackets: 1 }, true],
  ['a round-trip time', { TimeFlowRttNs: 1 }, true],
  ['an answer', { DnsId: 7 }, true],
  ['a network event', { NetworkEvents: [{ Action: 'drop' }] }, true],
  ['a translated address', { XlatSrcAddr: '10.0.0.1' }, true],
  ['kinds of TLS records', { TLSTypes: ['ClientHello'] }, true],
])('a flow with %s', (_what, facts, isSent) => {
  const others = [{ Bytes: 1, Packets: 1 }, blank(facts), { Bytes: 3, Packets: 1 }];
  expect(left(...others)).toEqual(isSent ? [1, 2, 3] : [1, 3]);
});

test('what was not selected before is not selected after', () => {
  const rows = [blank({}), { Bytes: 3, Packets: 1 }, { Bytes: 4, Packets: 1 }];
  const batch = batchOf(LAYOUT, new TableSpace().current, rows);
  batch.selection = Uint32Array.of(0, 2);
  leaveBlankOut(batch);
  expect([...batch.selection]).toEqual([2]);
});
