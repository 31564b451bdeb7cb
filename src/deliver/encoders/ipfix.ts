import { isReadForIpfix } from '../../codec/netflow/ipfix-template.ts';
import { type IpfixMessage, IpfixWriter } from '../../codec/netflow/ipfix-writer.ts';
import type { ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import { fieldByName } from '../../flow/fields.ts';
import { MISSING } from '../../flow/intern.ts';
import type { FlowAmount, Message } from '../message.ts';
import type { Encoder } from '../outlet.ts';

/** The value of netobserv-ebpf-agent. */
const OBSERVATION_DOMAIN = 1;

const SUMS = new Set(['Bytes', 'Packets']);

/** Numbers of the interfaces, as collectors of routers' flows expect them. */
const INTERFACE_NUMBERS: readonly ColumnSpec[] = [
  { name: 'InIf', kind: 'u32' },
  { name: 'OutIf', kind: 'u32' },
];

export interface IpfixEncoderOptions {
  /** Most bytes of an IPFIX message. */
  readonly messageMaxBytes: number;
  /** IPFIX messages that are sent without a pause, and counted together. */
  readonly burstMessages: number;
  /** Private enterprise number for fields without an IANA element; 0: they are not sent. */
  readonly enterprise: number;
  /** TCP flags in one octet (RFC 5102) in place of two (RFC 7125). */
  readonly shortFlags: boolean;
  /** Sampling rate for an options record; 0: none is sent. */
  readonly samplingOption: number;
}

/** IPFIX messages that are sent without a pause, and counted together. */
export interface IpfixBurst extends Message {
  readonly messages: readonly IpfixMessage[];
  /** Messages that have been sent: the next attempt after a failure continues behind them. */
  sent: number;
}

/** Batches → bursts of IPFIX messages (RFC 7011). */
export class IpfixEncoder implements Encoder<FlowBatch, IpfixBurst> {
  readonly #options: IpfixEncoderOptions;
  /** Made for the first batch, which shows the family of the agent's own address. */
  #writer: IpfixWriter | undefined;

  constructor(options: IpfixEncoderOptions) {
    this.#options = options;
  }

  encode(batch: FlowBatch): readonly IpfixBurst[] {
    return burstsOf(this.#writerFor(batch).encode(batch), this.#options.burstMessages);
  }

  /** Messages with the templates; called after the first batch. */
  preamble(): ReturnType<IpfixWriter['preamble']> {
    return this.#writer!.preamble();
  }

  #writerFor(batch: FlowBatch): IpfixWriter {
    const { burstMessages: _, ...options } = this.#options;
    this.#writer ??= new IpfixWriter(batch.layout, {
      ...options,
      domain: OBSERVATION_DOMAIN,
      agentIsV6: isAgentV6(batch),
    });
    return this.#writer;
  }
}

/** The columns that are sent, and those that the writer reads to make others. */
export function ipfixColumns(
  columns: readonly ColumnSpec[],
  enterprise: number,
): readonly ColumnSpec[] {
  return [...columns.filter((column) => isRead(column, enterprise)), ...INTERFACE_NUMBERS];
}

function isRead({ name }: ColumnSpec, enterprise: number): boolean {
  const field = fieldByName(name);
  // Sums of packets and bytes are counted whether or not they are sent.
  return field !== undefined && (isReadForIpfix(field, enterprise) || SUMS.has(name));
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
    // The messages are contiguous in one buffer.
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
