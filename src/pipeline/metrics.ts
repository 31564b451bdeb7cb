import type { Metrics } from '../telemetry/metrics.ts';
import type { StageCounts } from './stage.ts';

/** Seconds that a stage takes for one batch: microseconds for a column loop, more under load. */
const STAGE_BUCKETS_SECONDS = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1];

/** The pipeline's traffic, counted per batch, never per flow. */
export interface PipelineMetrics {
  arrived(branch: string, rows: number, filtered: number): void;
  written(branch: string, rows: number): void;
  dropped(branch: string, reason: string, rows: number): void;
  queued(branch: string, rows: number): void;
  stage(stage: string, seconds: number): void;
  /** Flows that an extractor took, or emitted. */
  extracted(stage: string, direction: 'in' | 'out', rows: number): void;
  internRebuilt(times: number): void;
  countsOf(stage: string): StageCounts;
}

export function createPipelineMetrics(metrics: Metrics): PipelineMetrics {
  const flows = metrics.counter(
    'pipeline_branch_flows_total',
    'Flows by branch: in = written + filtered + dropped + in flight',
    ['branch', 'outcome'],
  );
  const dropped = metrics.counter(
    'pipeline_dropped_flows_total',
    'Flows lost by branch and reason',
    ['branch', 'reason'],
  );
  const queue = metrics.gauge(
    'pipeline_queue_flows',
    'Flows that a sink has taken and not yet written',
    ['branch'],
  );
  const duration = metrics.histogram(
    'pipeline_stage_duration_seconds',
    'Time a stage takes for one batch',
    STAGE_BUCKETS_SECONDS,
    ['stage'],
  );
  const extracted = metrics.counter(
    'pipeline_extractor_flows_total',
    'Flows that an extractor took, and flows that it made of them',
    ['stage', 'direction'],
  );
  const rebuilds = metrics.counter(
    'pipeline_intern_rebuilds_total',
    'Times the tables of strings and addresses were full and begun anew',
  );
  return {
    arrived(branch, rows, filtered) {
      flows.inc({ branch, outcome: 'in' }, rows);
      flows.inc({ branch, outcome: 'filtered' }, filtered);
    },
    written: (branch, rows) => flows.inc({ branch, outcome: 'written' }, rows),
    dropped: (branch, reason, rows) => dropped.inc({ branch, reason }, rows),
    queued: (branch, rows) => queue.set({ branch }, rows),
    stage: (stage, seconds) => duration.observe({ stage }, seconds),
    extracted: (stage, direction, rows) => extracted.inc({ stage, direction }, rows),
    internRebuilt: (times) => rebuilds.inc(times),
    countsOf: createStageCounts(metrics),
  };
}

function createStageCounts(metrics: Metrics): PipelineMetrics['countsOf'] {
  const ingested = metrics.counter(
    'ingest_flows_processed',
    'Flows that an ingest stage has read',
    ['stage'],
  );
  const ingestErrors = metrics.counter(
    'ingest_errors',
    'Failures of an ingest stage: input that it could not use, connections, commits; by what it ' +
      'did and by the code of the error',
    ['stage', 'type', 'code'],
  );
  const lag = metrics.gauge(
    'ingest_kafka_lag_messages',
    'Messages of a partition that an ingest stage has not read, as far as the broker said last',
    ['stage', 'partition'],
  );
  const unconverted = metrics.counter(
    'pipeline_unconverted_values_total',
    'Values that did not fit the kind of the field that a stage gave them to',
    ['stage', 'field'],
  );
  return (stage) => ({
    ingested: (rows) => ingested.inc({ stage }, rows),
    ingestError: (type, code) => ingestErrors.inc({ stage, type, code }),
    lag(partition, messages) {
      if (messages === undefined) lag.remove({ stage, partition });
      else lag.set({ stage, partition }, messages);
    },
    unconverted: (field, values) => unconverted.inc({ stage, field }, values),
  });
}
