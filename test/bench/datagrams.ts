import { isIPv6 } from 'node:net';
import type { DatagramOutcome } from '../../src/codec/exporters/datagram.ts';
import { readColumns } from '../../src/codec/netflow/elements-read.ts';
import { FlowReader, ROOM_MIN_ROWS } from '../../src/codec/netflow/flow-reader.ts';
import { sflowColumns } from '../../src/codec/sflow/columns.ts';
import { SflowReader } from '../../src/codec/sflow/flow-reader.ts';
import { BatchLayout, FlowBatch } from '../../src/flow/batch.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import type { DatagramReader } from '../../src/pipeline/ingest/datagram-rows.ts';
import { ipfix, octets, set, template, v4, v9 } from '../support/codec/netflow-bytes.ts';
import { flowSample, part, rawHeader, sflow, words } from '../support/codec/sflow-bytes.ts';
import { layoutFor } from '../support/flows/layout-for.ts';
import type { Figure } from './figure.ts';
import { type Flow, pinnedFlows } from './flows.ts';
import { rateFigure } from './rate.ts';

const RECORDS_OF_DATAGRAM = 24;
/** As many as fit into 1400 octets. */
const SAMPLES_OF_DATAGRAM = 7;
const EXPORTER = { address: '192.0.2.1', port: 2055 };
const TEMPLATE = 256;
const DATAGRAMS = 800;
const EXPORT_S = 1_700_000_000;
/** As a stage asks, which knows no rates of its own. */
const HOW = { corrects: true, samplingOf: () => undefined } as const;

/** Columns for metrics of a network, instead of all. */
const FEW_COLUMNS = ['SrcAddr', 'DstAddr', 'Proto', 'Bytes', 'Packets', 'InIf', 'SamplerAddress'];

interface Element {
  readonly id: number;
  readonly octets: number;
  readonly of: (flow: Flow) => number | Uint8Array;
}

const number = (value: unknown): number => Number(value ?? 0);

/** Elements with the same numbers and lengths in both protocols. */
const ELEMENTS: readonly Element[] = [
  { id: 8, octets: 4, of: ({ SrcAddr }) => v4(String(SrcAddr)) },
  { id: 12, octets: 4, of: ({ DstAddr }) => v4(String(DstAddr)) },
  { id: 15, octets: 4, of: () => v4('10.0.0.254') },
  { id: 10, octets: 4, of: ({ FlowDirection }) => 1 + number(FlowDirection) },
  { id: 14, octets: 4, of: () => 7 },
  { id: 1, octets: 4, of: ({ Bytes }) => number(Bytes) },
  { id: 2, octets: 4, of: ({ Packets }) => number(Packets) },
  { id: 7, octets: 2, of: ({ SrcPort }) => number(SrcPort) },
  { id: 11, octets: 2, of: ({ DstPort }) => number(DstPort) },
  { id: 4, octets: 1, of: ({ Proto }) => number(Proto) },
  { id: 5, octets: 1, of: () => 0x10 },
  { id: 6, octets: 1, of: ({ Flags }) => number(Flags) & 0xff },
  { id: 9, octets: 1, of: () => 24 },
  { id: 13, octets: 1, of: () => 16 },
  { id: 16, octets: 4, of: () => 64_500 },
  { id: 17, octets: 4, of: () => 64_501 },
  { id: 61, octets: 1, of: ({ FlowDirection }) => number(FlowDirection) },
];

/** Uptimes of the first and the last packet. */
const V9_ELEMENTS: readonly Element[] = [
  ...ELEMENTS,
  { id: 22, octets: 4, of: () => 990_000 },
  { id: 21, octets: 4, of: ({ Packets }) => 990_000 + number(Packets) },
];

/** Milliseconds of the first and the last packet. */
const IPFIX_ELEMENTS: readonly Element[] = [
  ...ELEMENTS,
  { id: 152, octets: 8, of: () => EXPORT_S * 1000 - 10_000 },
  { id: 153, octets: 8, of: ({ Packets }) => EXPORT_S * 1000 - 10_000 + number(Packets) },
];

/** Flows of IPv4, in groups of a datagram. */
function groups(size: number): readonly (readonly Flow[])[] {
  const flows = pinnedFlows().filter(({ SrcAddr }) => !isIPv6(String(SrcAddr)));
  return Array.from({ length: DATAGRAMS }, (_, group) =>
    Array.from({ length: size }, (_, index) => flows[(group * size + index) % flows.length]!),
  );
}

function records(elements: readonly Element[], flows: readonly Flow[]): Buffer {
  const values = flows.flatMap((flow) =>
    elements.map(({ octets: length, of }) => {
      const value = of(flow);
      return typeof value === 'number' ? octets([length, value]) : value;
    }),
  );
  return set(TEMPLATE, ...values);
}

function templateOf(elements: readonly Element[]): Uint8Array {
  return template(
    TEMPLATE,
    elements.map(({ id, octets: length }) => [id, length]),
  );
}

/** Ethernet, IPv4, and 20 octets of a transport, as a switch sends them. */
function frame(flow: Flow): Buffer {
  const source = v4(String(flow.SrcAddr));
  const head = Buffer.concat([octets([6, 0x0200_0000_0001], [2, 2]), source, octets([2, 0x0800])]);
  const ip = octets(
    ...[
      ...([
        [1, 0x45],
        [1, 0x10],
        [2, 40],
        [2, 1],
        [2, 0x4000],
        [1, 63],
      ] as const),
      ...([
        [1, number(flow.Proto)],
        [2, 0],
      ] as const),
    ],
  );
  const ports = octets([2, number(flow.SrcPort)], [2, number(flow.DstPort)]);
  const rest = octets([8, 1], [2, 0x5000 | (number(flow.Flags) & 0xff)], [6, 0]);
  return Buffer.concat([head, ip, source, v4(String(flow.DstAddr)), ports, rest]);
}

function sample(flow: Flow): Buffer {
  const vlans = part(1001, words(42, 0, 43, 0));
  const route = part(1002, Buffer.concat([words(1), v4('10.0.0.254'), words(24, 16)]));
  const input = [0, 1 + number(flow.FlowDirection)] as const;
  return flowSample({ input }, rawHeader(frame(flow), 64 + number(flow.Packets)), vlans, route);
}

/** Reads all datagrams into one batch, which is emptied when it is full. */
function reading(
  reader: DatagramReader<DatagramOutcome>,
  layout: BatchLayout,
  datagrams: readonly Uint8Array[],
): () => number {
  const { current } = new TableSpace();
  const batch = new FlowBatch(layout, current);
  const room = (): FlowBatch => {
    if (batch.capacity - batch.length < ROOM_MIN_ROWS) batch.reset(current);
    return batch;
  };
  return () => {
    let flows = 0;
    for (const bytes of datagrams) {
      flows += reader.read(bytes, EXPORTER, EXPORT_S * 1000, 0, room).flows;
    }
    if (flows === 0) throw new Error('the datagrams have no flows');
    return flows;
  };
}

/** Datagrams of routers to columns, without the socket. */
export async function benchNetflow(): Promise<readonly Figure[]> {
  const layout = new BatchLayout(readColumns());
  const chunks = groups(RECORDS_OF_DATAGRAM);
  const head = { exportS: EXPORT_S };
  const versions = [
    {
      name: 'NetFlow 9, 24 records a datagram, all columns',
      template: v9(head, set(0, templateOf(V9_ELEMENTS))),
      datagrams: chunks.map((flows) => v9(head, records(V9_ELEMENTS, flows))),
    },
    {
      name: 'IPFIX, 24 records a datagram, all columns',
      template: ipfix(head, set(2, templateOf(IPFIX_ELEMENTS))),
      datagrams: chunks.map((flows) => ipfix(head, records(IPFIX_ELEMENTS, flows))),
    },
  ];
  const figures: Figure[] = [];
  for (const { name, template: first, datagrams } of versions) {
    const reader = new FlowReader(layout, [], HOW);
    reading(reader, layout, [first, ...datagrams.slice(0, 1)])();
    figures.push(await rateFigure(name, 1e6, reading(reader, layout, datagrams)));
  }
  return figures;
}

/** Datagrams of switches to columns, without the socket. */
export async function benchSflow(): Promise<readonly Figure[]> {
  const datagrams = groups(SAMPLES_OF_DATAGRAM).map((flows, index) =>
    sflow({ sequence: index + 1 }, ...flows.map(sample)),
  );
  const layouts = [
    { name: 'all columns', layout: new BatchLayout(sflowColumns()) },
    { name: `${FEW_COLUMNS.length} columns`, layout: layoutFor(FEW_COLUMNS) },
  ];
  const figures: Figure[] = [];
  for (const { name, layout } of layouts) {
    const read = reading(new SflowReader(layout, HOW), layout, datagrams);
    const what = `sFlow, ${SAMPLES_OF_DATAGRAM} samples a datagram, ${name}`;
    figures.push(await rateFigure(what, 1.5e6, read));
  }
  return figures;
}

if (import.meta.main) console.log(await benchNetflow(), await benchSflow());
