import { readColumns } from '../../../src/codec/netflow/elements-read.ts';
import { FlowReader } from '../../../src/codec/netflow/flow-reader.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
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

/** Each datagram comes to an exporter whose templates are known. */
export function netflowReader(): (bytes: Uint8Array, from: number, to: number) => string {
  const layout = new BatchLayout(readColumns());
  const tables = new TableSpace();
  const batch = new FlowBatch(layout, tables.current, 8);
  const source = { address: '192.0.2.1', port: 1 };
  let flows = 0;
  const room = (): FlowBatch => {
    flows += batch.length;
    tables.rotateIfFull();
    batch.reset(tables.current);
    return batch;
  };
  return (bytes, from, to) => {
    const reader = new FlowReader(layout);
    reader.read(NETFLOW_TEMPLATES, source, 0, 0, room);
    batch.reset(tables.current);
    flows = 0;
    const { problem, unknownSets } = reader.read(bytes.subarray(from, to), source, 0, 0, room);
    flows += batch.length;
    if (flows > 2 * (to - from)) throw new Error(`${flows} flows of ${to - from} bytes`);
    return `${problem?.code} ${flows} ${unknownSets} ${reader.sizes.templates}`;
  };
}
