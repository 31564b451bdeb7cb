import { type IpfixMessage, IpfixWriter } from '../../codec/netflow/ipfix-writer.ts';
import type { ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import { fieldByName } from '../../flow/fields.ts';
import { MISSING } from '../../flow/intern.ts';
import type { AgentConfig } from '../config.ts';
import { checkTarget } from './check.ts';
import { DELIVERY_DEFAULTS, Delivery } from './delivery.ts';
import { EncodingExporter } from './encoding-exporter.ts';
import type { Exporter, FlowAmount } from './exporter.ts';
import type { ExporterDeps } from './exporters.ts';
import { type IpfixBurst, IpfixTcp, IpfixUdp } from './ipfix-transport.ts';
import { declareExportMetrics } from './metrics.ts';
import { batchesOf, SPOOL_BYTES_MAX } from './spool.ts';

/** The original's. */
const OBSERVATION_DOMAIN = 1;

/**
 * What readers built on VMware's go-ipfix have room for, as the example of the NetObserv eBPF agent
 * does. Fits the smallest MTU of IPv6, 1280, too: never fragmented.
 */
const UDP_MESSAGE_MAX_BYTES = 1024;
/** Of at most 65,535; few enough for a collector that is slow to be noticed early. */
const TCP_MESSAGE_MAX_BYTES = 32 * 1024;

/** A collector that stands still for a while reads on; one that is gone for good is waited for. */
const TCP_ATTEMPT_TIMEOUT_MS = 60_000;

/**
 * Datagrams sent without a pause, and booked together. The usual receive buffer (208 KiB, of which
 * a datagram of ours takes up some 2.3) holds six times as many.
 */
const UDP_BURST_MESSAGES = 16;

/** Read besides the columns that are sent themselves. */
const HELPERS = new Set(['SrcAddr', 'TunnelType', 'FlowDirection', 'Bytes', 'Packets']);

/** Fields of routers that the agent fills for collectors of routers' flows. */
const INTERFACE_NUMBERS: readonly ColumnSpec[] = [
  { name: 'InIf', kind: 'u32' },
  { name: 'OutIf', kind: 'u32' },
];

/** Sends flows to an IPFIX collector (RFC 7011), as EXPORT and its options have it. */
export function createIpfixExporter(config: AgentConfig, deps: ExporterDeps): Exporter {
  checkTarget(config);
  const { clock, random, tables } = deps;
  const isUdp = config.export === 'ipfix+udp';
  const { targetHost: host, targetPort: port, ipfixEnterpriseNumber: enterprise } = config;
  let writer: IpfixWriter | undefined;
  // Made for the first batch, which tells the family of the agent's own address.
  const writerFor = (batch: FlowBatch): IpfixWriter => {
    writer ??= new IpfixWriter(batch.layout, {
      domain: OBSERVATION_DOMAIN,
      messageMaxBytes: isUdp ? UDP_MESSAGE_MAX_BYTES : TCP_MESSAGE_MAX_BYTES,
      enterprise,
      agentIsV6: isAgentV6(batch),
      shortFlags: config.ipfixShortTcpFlags,
      samplingOption: config.ipfixOptions ? samplingRate(config) : 0,
    });
    return writer;
  };
  // Nothing is sent before the first batch.
  const log = deps.log.child({ component: 'ipfix' });
  const target = { host, port, clock, log, preamble: () => writer!.preamble() };
  const transport = isUdp ? new IpfixUdp(target) : new IpfixTcp(target);
  const delivery = new Delivery<IpfixBurst>(
    {
      ...DELIVERY_DEFAULTS,
      ...(isUdp ? {} : { attemptTimeoutMs: TCP_ATTEMPT_TIMEOUT_MS }),
      ...deps.delivery,
      batchesMax: batchesOf(config),
      bytesMax: SPOOL_BYTES_MAX,
    },
    {
      transport,
      clock,
      random,
      log,
      metrics: declareExportMetrics(deps.metrics, 'ipfix'),
    },
  );
  const encoding = {
    encode: (batch: FlowBatch) =>
      burstsOf(writerFor(batch).encode(batch), isUdp ? UDP_BURST_MESSAGES : 1),
    open: async () => undefined,
    close: () => transport.close(),
  };
  const columns = [
    ...deps.columns.filter((column) => isSent(column, enterprise)),
    ...INTERFACE_NUMBERS,
  ];
  return new EncodingExporter(encoding, delivery, tables, columns);
}

/** 0: every packet is looked at. Rules may have rates of their own, which only records tell. */
function samplingRate({ sampling }: AgentConfig): number {
  return sampling > 1 ? sampling : 0;
}

function isSent({ name }: ColumnSpec, enterprise: number): boolean {
  const field = fieldByName(name);
  const isEnterprise = enterprise !== 0 && field?.ipfixEnterprise !== undefined;
  return HELPERS.has(name) || isEnterprise || field?.ipfix !== undefined;
}

function isAgentV6(batch: FlowBatch): boolean {
  const id = batch.has('AgentIP') && batch.length > 0 ? batch.ids('AgentIP')[0]! : MISSING;
  return id !== MISSING && !batch.tables.addresses.isV4(id);
}

function burstsOf(messages: readonly IpfixMessage[], size: number): readonly IpfixBurst[] {
  return Array.from({ length: Math.ceil(messages.length / size) }, (_, index): IpfixBurst => {
    const part = messages.slice(index * size, (index + 1) * size);
    const [first] = part;
    const length = part.reduce((sum, { bytes }) => sum + bytes.length, 0);
    // They stand one behind the other in one buffer.
    const bytes = new Uint8Array(first!.bytes.buffer, first!.bytes.byteOffset, length);
    return { bytes, amount: amountOf(part), messages: part, sent: 0 };
  });
}

function amountOf(messages: readonly IpfixMessage[]): FlowAmount {
  let flows = 0;
  let packets = 0;
  let bytes = 0;
  for (const message of messages) {
    flows += message.records;
    packets += message.packets;
    bytes += message.octets;
  }
  return { flows, packets, bytes };
}
