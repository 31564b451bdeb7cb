import { sflowColumns } from '../../../src/codec/sflow/columns.ts';
import { SflowReader, type TakeCounters } from '../../../src/codec/sflow/flow-reader.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { rowsOf } from '../../../src/flow/row.ts';
import { anyPacket } from './built-packet.ts';
import { type Read, randomFrom, TABLE_ENTRIES } from './mutations.ts';
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

const LAYOUT = new BatchLayout(sflowColumns());
/** Time between two datagrams: 72,000 of them are the lifetime of an agent. */
const PERIOD_MS = 100;

/** The flows that a datagram gives, as text. */
export function sflowReader(): Read {
  const read = checkedReader();
  return (bytes, from, to) => read(newReader(), bytes.subarray(from, to), '192.0.2.1', 0);
}

/** All datagrams come to one reader. Inputs come twice, so two readers take turns. */
export function keptSflowReader(): Read {
  const read = checkedReader();
  const readers = [newReader(), newReader()];
  let calls = 0;
  return (bytes, from, to) => {
    const reader = readers[calls & 1]!;
    const nowMs = (calls++ >> 1) * PERIOD_MS;
    const address = `192.0.2.${to === from ? 0 : bytes[to - 1]}`;
    return read(reader, bytes.subarray(from, to), address, nowMs);
  };
}

interface Counting {
  readonly reader: SflowReader;
  readonly taken: unknown[];
}

function newReader(): Counting {
  const taken: unknown[] = [];
  const takeCounters: TakeCounters = (agent, counters) => taken.push([agent, counters]) > 0;
  return { reader: new SflowReader(LAYOUT, { takeCounters }), taken };
}

/** Throws if the outcome differs from what is in the batch. */
function checkedReader() {
  const tables = new TableSpace(TABLE_ENTRIES);
  const batch = new FlowBatch(LAYOUT, tables.current, 64);
  return ({ reader, taken }: Counting, bytes: Uint8Array, address: string, nowMs: number) => {
    tables.rotateIfFull();
    batch.reset(tables.current);
    taken.length = 0;
    const outcome = reader.read(bytes, { address, port: 1 }, nowMs, nowMs, () => batch);
    const { problem, skips, flows, lost, missing, lostSamples } = outcome;
    const isRight = flows === batch.length && lost === 0 && missing >= 0 && lostSamples >= 0;
    if (!isRight) throw new Error(`${batch.length} flows, but ${JSON.stringify(outcome)}`);
    return JSON.stringify([problem?.code, skips, missing, taken, rowsOf(batch)]);
  };
}
