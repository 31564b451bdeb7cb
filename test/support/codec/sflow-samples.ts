import { sflowColumns } from '../../../src/codec/sflow/columns.ts';
import { SflowReader } from '../../../src/codec/sflow/flow-reader.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { rowsOf } from '../../../src/flow/row.ts';
import { anyPacket } from './built-packet.ts';
import { randomFrom } from './mutations.ts';
import {
  address,
  counterSample,
  expandedSample,
  flowSample,
  part,
  rawHeader,
  sflow,
  words,
} from './sflow-bytes.ts';

const random = randomFrom(3);
const raw = (): Buffer => {
  const { bytes, protocol } = anyPacket(random);
  return rawHeader(bytes.subarray(0, 128), 1500, protocol);
};

/** Datagrams with every kind of sample and record. */
export const SFLOW_SAMPLES: readonly Uint8Array[] = [
  ...Array.from({ length: 12 }, () => sflow({}, flowSample({}, raw()), expandedSample({}, raw()))),
  sflow({}, flowSample({}, part(3, Buffer.alloc(32, 6)), part(1001, Buffer.alloc(16, 1)))),
  sflow({ agent: Buffer.alloc(16, 9) }, flowSample({}, part(4, Buffer.alloc(56, 6)))),
  sflow(
    {},
    expandedSample(
      {},
      part(2, Buffer.alloc(24, 2)),
      part(1002, Buffer.concat([address('192.0.2.254'), words(24, 16)])),
      part(1003, Buffer.concat([address('192.0.2.253'), words(1, 2, 3, 1, 2, 2, 4, 5, 1, 6, 100)])),
    ),
    counterSample(3, [1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]),
    part(5, Buffer.alloc(20)),
  ),
];

/** The flows that a datagram gives, as text. */
export function sflowReader(): (bytes: Uint8Array, from: number, to: number) => string {
  const layout = new BatchLayout(sflowColumns());
  const tables = new TableSpace();
  const batch = new FlowBatch(layout, tables.current, 64);
  return (bytes, from, to) => {
    const taken: unknown[] = [];
    const reader = new SflowReader(layout, {
      takeCounters: (agent, counters) => taken.push([agent, counters]) > 0,
    });
    tables.rotateIfFull();
    batch.reset(tables.current);
    const source = { address: '192.0.2.1', port: 1 };
    const { problem, skips } = reader.read(bytes.subarray(from, to), source, 0, 0, () => batch);
    return JSON.stringify([problem?.code, skips, taken, rowsOf(batch)]);
  };
}
