import type { Metrics } from '../../../telemetry/metrics.ts';
import type { RecordType } from '../../options/extract/conntrack.ts';

export type Classification = 'newConnection' | 'update' | 'duplicate' | 'discarded' | 'rejected';
export type EndReason = 'FIN_flag' | 'timeout' | 'shutdown';
export type Phase = 'active' | 'terminating';

/** Metrics of connection tracking, under the names of `flowlogs-pipeline`; stages add up. */
export interface ConntrackMetrics {
  /** Connections more in memory, or fewer. */
  inMemory(group: string, phase: Phase, difference: number): void;
  input(classification: Classification, flows: number): void;
  output(type: RecordType, records: number): void;
  flags(action: 'detectEndConnection' | 'swapAB', flows: number): void;
  hashError(field: string, flows: number): void;
  aggregatorError(
    error: 'MissingFieldError' | 'Float64ConversionError',
    field: string,
    flows: number,
  ): void;
  ended(group: string, reason: EndReason, connections: number): void;
}

export function createConntrackMetrics(metrics: Metrics): ConntrackMetrics {
  const memory = metrics.gauge(
    'conntrack_memory_connections',
    'Connections in memory, by group of the scheduling and by phase',
    ['group', 'phase'],
  );
  const input = metrics.counter(
    'conntrack_input_records',
    'Flows that came to a conntrack stage, by what became of them',
    ['classification'],
  );
  const output = metrics.counter('conntrack_output_records', 'Records made, by kind', ['type']);
  const flags = metrics.counter('conntrack_tcp_flags', 'Flows whose TCP flags had an effect', [
    'action',
  ]);
  const hashErrors = metrics.counter(
    'conntrack_hash_errors',
    'Flows without a field of the key, by field',
    ['error', 'field'],
  );
  const aggregatorErrors = metrics.counter(
    'conntrack_aggregator_errors',
    'Flows without the input of an output field, or with another value than a number',
    ['error', 'field'],
  );
  const ended = metrics.counter('conntrack_end_connections', 'Connections that ended', [
    'group',
    'reason',
  ]);
  return {
    inMemory: (group, phase, difference) => memory.inc({ group, phase }, difference),
    input: (classification, flows) => input.inc({ classification }, flows),
    output: (type, records) => output.inc({ type }, records),
    flags: (action, flows) => flags.inc({ action }, flows),
    hashError: (field, flows) => hashErrors.inc({ error: 'MissingFieldError', field }, flows),
    aggregatorError: (error, field, flows) => aggregatorErrors.inc({ error, field }, flows),
    ended: (group, reason, connections) => ended.inc({ group, reason }, connections),
  };
}
