import type { DatagramOutcome } from '../../codec/exporters/datagram.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** Exporters with counters of their own; all others share those of `other`. */
export const EXPORTERS_MAX = 256;
const OTHERS = 'other';

/** Counters of the datagrams of exporters. */
export function createExporterMetrics(metrics: Metrics) {
  const labels = ['stage', 'exporter'] as const;
  return {
    datagrams: metrics.counter(
      'ingest_exporter_datagrams_total',
      'Datagrams by exporter; all but the first 256 exporters count as `other`',
      labels,
    ),
    flows: metrics.counter('ingest_exporter_flows_total', 'Flows by exporter', labels),
    limited: metrics.counter(
      'ingest_exporter_limited_flows_total',
      'Flows that were left out, since their exporter sends more than `flowsPerSecondMax`; those ' +
        'that passed stand for them',
      labels,
    ),
    unknown: metrics.counter(
      'ingest_exporter_unknown_templates_total',
      'Data sets that could not be read, since their template had not come yet, by exporter',
      labels,
    ),
    missing: metrics.counter(
      'ingest_exporter_missing_total',
      'Flows (NetFlow 5, IPFIX) or datagrams (NetFlow 9, sFlow) that had not come yet when one ' +
        'with a later sequence number came, by exporter',
      [...labels, 'unit'],
    ),
    errors: metrics.counter(
      'ingest_exporter_errors_total',
      'Datagrams with an error, by exporter and code of the error',
      [...labels, 'code'],
    ),
    lost: metrics.counter(
      'ingest_lost_datagrams_total',
      'Datagrams that were lost, by reason: `kernel`, the receive buffer was full; `full`, a ' +
        'branch that blocks was full; of `ingest: datagrams`: `full`, too much waited for the ' +
        'brokers; others, as those of exporter_lost_flows_total',
      ['stage', 'reason'],
    ),
    templates: metrics.gauge(
      'ingest_templates',
      'Templates of exporters that an ingest stage knows',
      ['stage'],
    ),
    expired: metrics.counter(
      'ingest_expired_templates_total',
      'Templates that were forgotten, since their exporter did not send them again',
      ['stage'],
    ),
  };
}

export type ExporterMetrics = ReturnType<typeof createExporterMetrics>;

interface Sums {
  datagrams: number;
  flows: number;
  limited: number;
  unknown: number;
  missingFlows: number;
  missingDatagrams: number;
}

/** Counts by exporter, and passes the sums on now and then: not per datagram. */
export class Exporters {
  readonly #stage: string;
  readonly #metrics: ExporterMetrics;
  readonly #sums = new Map<string, Sums>();

  constructor(stage: string, metrics: ExporterMetrics) {
    this.#stage = stage;
    this.#metrics = metrics;
  }

  count(address: string, outcome: DatagramOutcome): void {
    const name = this.#nameOf(address);
    const sums = this.#sums.get(name)!;
    sums.datagrams++;
    sums.flows += outcome.flows;
    sums.limited += outcome.limited;
    sums.unknown += outcome.unknownSets;
    if (outcome.missingUnit === 'flows') sums.missingFlows += outcome.missing;
    else sums.missingDatagrams += outcome.missing;
    if (outcome.problem === undefined) return;
    const { code } = outcome.problem;
    this.#metrics.errors.inc({ stage: this.#stage, exporter: name, code });
  }

  /** Passes the sums on. */
  flush(): void {
    const { datagrams, flows, limited, unknown, missing } = this.#metrics;
    for (const [exporter, sums] of this.#sums) {
      const labels = { stage: this.#stage, exporter };
      if (sums.datagrams === 0) continue;
      datagrams.inc(labels, sums.datagrams);
      flows.inc(labels, sums.flows);
      if (sums.limited > 0) limited.inc(labels, sums.limited);
      if (sums.unknown > 0) unknown.inc(labels, sums.unknown);
      if (sums.missingFlows > 0) missing.inc({ ...labels, unit: 'flows' }, sums.missingFlows);
      if (sums.missingDatagrams > 0) {
        missing.inc({ ...labels, unit: 'datagrams' }, sums.missingDatagrams);
      }
      Object.assign(sums, noSums());
    }
  }

  #nameOf(address: string): string {
    if (this.#sums.has(address)) return address;
    const name = this.#sums.size < EXPORTERS_MAX ? address : OTHERS;
    if (!this.#sums.has(name)) this.#sums.set(name, noSums());
    return name;
  }
}

function noSums(): Sums {
  return { datagrams: 0, flows: 0, limited: 0, unknown: 0, missingFlows: 0, missingDatagrams: 0 };
}
