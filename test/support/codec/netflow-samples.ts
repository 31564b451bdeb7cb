import { readColumns } from '../../../src/codec/netflow/elements-read.ts';
import { FlowReader } from '../../../src/codec/netflow/flow-reader.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { type Read, TABLE_ENTRIES } from './mutations.ts';
import {
  ipfix,
  octets,
  optionsTemplate,
  optionsTemplate9,
  set,
  template,
  v5,
  v9,
} from './netflow-bytes.ts';

/** Templates in one datagram; flows, options and a biflow in the others. */
const NETFLOW_TEMPLATES = ipfix(
  { domain: 1 },
  set(
    2,
    template(256, [
      [8, 4],
      [12, 4],
      [7, 2],
      [1, 8],
      [1, 4, 29_305],
    ]),
  ),
  set(
    2,
    template(257, [
      [27, 16],
      [82, 65_535],
      [152, 8],
    ]),
  ),
  set(
    3,
    optionsTemplate(258, 1, [
      [149, 4],
      [34, 4],
    ]),
  ),
);
export const NETFLOW_SAMPLES: readonly Uint8Array[] = [
  NETFLOW_TEMPLATES,
  ipfix({ domain: 1 }, set(256, Buffer.alloc(66, 1)), set(258, octets([4, 1], [4, 100]))),
  ipfix({ domain: 1 }, set(257, Buffer.alloc(16, 2), Buffer.from('\x04eth0'), Buffer.alloc(8, 3))),
  v9(
    {},
    set(
      0,
      template(256, [
        [8, 4],
        [22, 4],
        [48, 2],
      ]),
    ),
    set(256, Buffer.alloc(20, 4)),
  ),
  v9(
    {},
    set(
      1,
      optionsTemplate9(
        257,
        [[1, 4]],
        [
          [48, 2],
          [50, 4],
        ],
      ),
    ),
    set(257, Buffer.alloc(10)),
  ),
  v5({}, Buffer.alloc(48, 5), Buffer.alloc(48, 6)),
];

const LAYOUT = new BatchLayout(readColumns());
/** Time between two datagrams: 72,000 of them are the lifetime of a template. */
const PERIOD_MS = 100;

/** Each datagram comes to an exporter whose templates are known. */
export function netflowReader(): Read {
  const read = checkedReader();
  return (bytes, from, to) => {
    const reader = new FlowReader(LAYOUT);
    read(reader, NETFLOW_TEMPLATES, '192.0.2.1', 0);
    return read(reader, bytes.subarray(from, to), '192.0.2.1', 0);
  };
}

/**
 * All datagrams come to one reader, from a few exporters, whose templates change, become too many
 * and expire. Inputs come twice, so two readers take turns.
 */
export function keptNetflowReader(): Read {
  const read = checkedReader();
  const readers = [new FlowReader(LAYOUT), new FlowReader(LAYOUT)];
  let calls = 0;
  return (bytes, from, to) => {
    const reader = readers[calls & 1]!;
    const nowMs = (calls++ >> 1) * PERIOD_MS;
    const address = `192.0.2.${to === from ? 0 : bytes[to - 1]}`;
    return read(reader, bytes.subarray(from, to), address, nowMs);
  };
}

/** Throws if the outcome differs from what is in the batches. */
function checkedReader() {
  const tables = new TableSpace(TABLE_ENTRIES);
  const batch = new FlowBatch(LAYOUT, tables.current, 8);
  let flows = 0;
  const room = (): FlowBatch => {
    flows += batch.length;
    tables.rotateIfFull();
    batch.reset(tables.current);
    return batch;
  };
  return (reader: FlowReader, bytes: Uint8Array, address: string, nowMs: number): string => {
    batch.reset(tables.current);
    flows = 0;
    const outcome = reader.read(bytes, { address, port: 1 }, nowMs, nowMs, room);
    flows += batch.length;
    if (flows > 2 * bytes.length) throw new Error(`${flows} flows of ${bytes.length} bytes`);
    const { problem, unknownSets, lost, limited, missing } = outcome;
    const isRight = outcome.flows === flows && lost === 0 && limited === 0 && missing >= 0;
    if (!isRight) throw new Error(`${flows} flows, but ${JSON.stringify(outcome)}`);
    return `${problem?.code} ${flows} ${unknownSets} ${missing} ${reader.sizes.templates}`;
  };
}
