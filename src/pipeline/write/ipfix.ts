import { type IpfixBurst, IpfixEncoder, ipfixColumns } from '../../deliver/encoders/ipfix.ts';
import type { Encoder } from '../../deliver/outlet.ts';
import { IPFIX_TCP, IPFIX_UDP, IpfixTcp, IpfixUdp } from '../../deliver/targets/ipfix.ts';
import { appendSelected } from '../../flow/append.ts';
import { BATCH_CAPACITY_ROWS, BatchLayout, type ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import { FIELDS } from '../../flow/fields.ts';
import { OutletSink } from '../graph/outlet-sink.ts';
import { IpfixWriteOptions } from '../options/write/ipfix.ts';
import { type StageContext, type StageType, stageType } from '../stage.ts';

/** Flows to an IPFIX collector. */
export const ipfixWrite: StageType = stageType({
  section: 'write',
  type: 'ipfix',
  schema: IpfixWriteOptions,
  create({ targetHost, targetPort, transport, enterpriseId, tplSendInterval }, context) {
    const { clock, log } = context.deps;
    const isUdp = transport === 'udp';
    const { limits, ...sizes } = isUdp ? IPFIX_UDP : IPFIX_TCP;
    const encoder = new IpfixEncoder({
      ...sizes,
      enterprise: enterpriseId,
      shortFlags: false,
      samplingOption: 0,
    });
    const target = {
      host: targetHost,
      port: targetPort,
      preamble: () => encoder.preamble(),
      templateRefreshMs: tplSendInterval,
      clock,
      log: log.child({ component: 'pipeline', branch: context.name }),
    };
    const columns = columnsOf(context, enterpriseId);
    return new OutletSink(context, {
      encoder: new OneLayout(columns, encoder),
      target: isUdp ? new IpfixUdp(target) : new IpfixTcp(target),
      limits,
      reads: columns.map(({ name }) => name),
    });
  },
});

/** The writer divides flows by family, for which it reads these in any case. */
const ALWAYS_READ: ReadonlySet<string> = new Set(['SrcAddr', 'DstAddr']);

/**
 * Columns that a template has elements for, as far as they exist here. Fields of routers' flows are
 * left out: several have the same elements as those of an agent.
 */
function columnsOf({ kindOf }: StageContext, enterprise: number): readonly ColumnSpec[] {
  const fields = FIELDS.filter(({ producer }) => producer !== 'netflow');
  return ipfixColumns(fields, enterprise)
    .filter(({ name, kind }) => ALWAYS_READ.has(name) || kindOf(name) === kind)
    .map(({ name, kind }) => ({ name, kind }));
}

/**
 * Copies batches, which differ in their columns with the path that they took, into one layout:
 * that of the templates.
 */
class OneLayout implements Encoder<FlowBatch, IpfixBurst> {
  readonly #layout: BatchLayout;
  readonly #encoder: IpfixEncoder;
  #own: FlowBatch | undefined;

  constructor(columns: readonly ColumnSpec[], encoder: IpfixEncoder) {
    this.#layout = new BatchLayout(columns);
    this.#encoder = encoder;
  }

  encode(batch: FlowBatch): readonly IpfixBurst[] {
    const own = this.#emptied(batch);
    appendSelected(own, batch);
    return this.#encoder.encode(own);
  }

  #emptied({ selected, tables }: FlowBatch): FlowBatch {
    const own = this.#own;
    if (own !== undefined && own.capacity >= selected) {
      own.reset(tables);
      return own;
    }
    const capacity = Math.max(selected, BATCH_CAPACITY_ROWS);
    this.#own = new FlowBatch(this.#layout, tables, capacity);
    return this.#own;
  }
}
