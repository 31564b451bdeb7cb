import type { SflowOutcome } from '../../codec/sflow/flow-reader.ts';
import type { Skips } from '../../codec/sflow/sample.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** Counters of sFlow beside those of all exporters. */
export function createSflowMetrics(metrics: Metrics) {
  return {
    skipped: metrics.counter(
      'ingest_sflow_skipped_total',
      'Parts of sFlow datagrams that were passed over, by kind: `counters`, counter samples ' +
        'without counters of an interface, late ones, and those of interfaces without room; ' +
        '`samples`, samples in other formats; `records`, records of flow samples in other ' +
        'formats; `headers`, packets whose link layer is neither Ethernet nor IP',
      ['stage', 'kind'],
    ),
    lost: metrics.counter(
      'ingest_sflow_lost_samples_total',
      'Samples that sFlow agents report as lost for lack of resources',
      ['stage'],
    ),
  };
}

type SflowMetrics = ReturnType<typeof createSflowMetrics>;

/** Adds up the outcomes of datagrams, and passes the sums on now and then. */
export class SflowCounts {
  readonly #stage: string;
  readonly #metrics: SflowMetrics;
  readonly #skips: Skips = { counters: 0, samples: 0, records: 0, headers: 0 };
  #lost = 0;

  constructor(stage: string, metrics: SflowMetrics) {
    this.#stage = stage;
    this.#metrics = metrics;
  }

  note({ lostSamples, skips }: SflowOutcome): void {
    const sums = this.#skips;
    this.#lost += lostSamples;
    sums.counters += skips.counters;
    sums.samples += skips.samples;
    sums.records += skips.records;
    sums.headers += skips.headers;
  }

  /** Passes the sums on. */
  flush(): void {
    const stage = this.#stage;
    if (this.#lost > 0) this.#metrics.lost.inc({ stage }, this.#lost);
    this.#lost = 0;
    for (const [kind, count] of Object.entries(this.#skips)) {
      if (count > 0) this.#metrics.skipped.inc({ stage, kind }, count);
      this.#skips[kind as keyof Skips] = 0;
    }
  }
}
