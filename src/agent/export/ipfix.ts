import type { Clock } from '../../base/clock.ts';
import { NetobservError } from '../../base/errors.ts';
import { IpfixWriter } from '../../codec/netflow/ipfix-writer.ts';
import { BatchLayout, type ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import { fieldByName } from '../../flow/fields.ts';
import { MISSING, type TableSpace } from '../../flow/intern.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import { DELIVERY_DEFAULTS, Delivery, type DeliveryLimits } from './delivery.ts';
import type { Exporter, FlowAmount } from './exporter.ts';
import { IpfixTcp, type IpfixTransport, IpfixUdp } from './ipfix-transport.ts';
import { declareExportMetrics } from './metrics.ts';
import { SPOOL_BYTES_MAX, type SpoolMessage } from './spool.ts';

/** The original's. */
const OBSERVATION_DOMAIN = 1;

/** Fits the smallest MTU of IPv6, 1280, with its header and that of UDP: never fragmented. */
const UDP_MESSAGE_MAX_BYTES = 1232;
/** Of at most 65,535; few enough for a collector that is slow to be noticed early. */
const TCP_MESSAGE_MAX_BYTES = 32 * 1024;

export interface IpfixConfig {
  readonly protocol: 'udp' | 'tcp';
  readonly host: string;
  readonly port: number;
  /** Enterprise number of what IANA has no element for; 0: such elements are left out. */
  readonly enterprise: number;
  readonly limits: DeliveryLimits;
}

/** What the agent's options ask for; throws a coded error that names the variable. */
export function ipfixConfigOf(config: AgentConfig, protocol: IpfixConfig['protocol']): IpfixConfig {
  for (const [variable, value] of [
    ['TARGET_HOST', config.targetHost],
    ['TARGET_PORT', config.targetPort],
  ] as const) {
    if (value !== '' && value !== 0) continue;
    throw new NetobservError(
      AGENT_ERRORS.option,
      `${variable}: EXPORT=ipfix+${protocol} needs it`,
      {
        details: { variable },
      },
    );
  }
  return {
    protocol,
    host: config.targetHost,
    port: config.targetPort,
    enterprise: config.ipfixEnterpriseNumber,
    limits: {
      ...DELIVERY_DEFAULTS,
      batchesMax: config.exporterBufferLength || config.buffersLength,
      bytesMax: SPOOL_BYTES_MAX,
    },
  };
}

export interface IpfixDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly tables: TableSpace;
  /** What the agent can fill. */
  readonly columns: readonly ColumnSpec[];
}

/** Sends flows to an IPFIX collector. */
export function createIpfixExporter(config: IpfixConfig, deps: IpfixDeps): Exporter {
  return new IpfixExporter(config, deps);
}

/** Read besides the columns that are sent themselves. */
const HELPERS = new Set(['SrcAddr', 'TunnelType', 'FlowDirection', 'Bytes', 'Packets']);

class IpfixExporter implements Exporter {
  readonly #config: IpfixConfig;
  readonly #deps: IpfixDeps;
  readonly #layout: BatchLayout;
  readonly #batch: FlowBatch;
  readonly #transport: IpfixTransport;
  readonly #delivery: Delivery;
  #writer: IpfixWriter | undefined;

  constructor(config: IpfixConfig, deps: IpfixDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#layout = new BatchLayout(
      deps.columns.filter(({ name }) => {
        const field = fieldByName(name);
        const isEnterprise = config.enterprise !== 0 && field?.ipfixEnterprise !== undefined;
        return HELPERS.has(name) || isEnterprise || field?.ipfix !== undefined;
      }),
    );
    this.#batch = new FlowBatch(this.#layout, deps.tables.current);
    const templates = (): Uint8Array => this.#writerFor(this.#batch).templates();
    const target = { host: config.host, port: config.port, templates, clock: deps.clock };
    this.#transport = config.protocol === 'udp' ? new IpfixUdp(target) : new IpfixTcp(target);
    this.#delivery = new Delivery(config.limits, {
      ...deps,
      transport: this.#transport,
      metrics: declareExportMetrics(deps.metrics, `ipfix-${config.protocol}`),
    });
  }

  take(): FlowBatch {
    const { tables } = this.#deps;
    tables.rotateIfFull();
    this.#batch.reset(tables.current);
    return this.#batch;
  }

  emit(batch: FlowBatch): boolean {
    const messages = this.#writerFor(batch).encode(batch);
    return this.#delivery.offer(
      messages.map(
        ({ bytes, records, packets, octets }): SpoolMessage => ({
          bytes,
          amount: { flows: records, packets, bytes: octets },
        }),
      ),
    );
  }

  backlog(): FlowAmount {
    return this.#delivery.backlog();
  }

  start(): Promise<void> {
    return this.#delivery.start();
  }

  async stop(): Promise<void> {
    await this.#delivery.stop();
    await this.#transport.close();
  }

  /** Made for the first batch, which tells the family of the agent's own address. */
  #writerFor(batch: FlowBatch): IpfixWriter {
    this.#writer ??= new IpfixWriter(this.#layout, {
      domain: OBSERVATION_DOMAIN,
      messageMaxBytes:
        this.#config.protocol === 'udp' ? UDP_MESSAGE_MAX_BYTES : TCP_MESSAGE_MAX_BYTES,
      enterprise: this.#config.enterprise,
      agentIsV6: isAgentV6(batch),
    });
    return this.#writer;
  }
}

function isAgentV6(batch: FlowBatch): boolean {
  const id = batch.has('AgentIP') && batch.length > 0 ? batch.ids('AgentIP')[0]! : MISSING;
  return id !== MISSING && !batch.tables.addresses.isV4(id);
}
