import type { Metrics } from '../../telemetry/metrics.ts';

/** Metrics of extractors that group flows by rules. */
export interface GroupMetrics {
  groups(rule: string, groups: number): void;
  /** Flows that a rule had no room for. */
  rejected(rule: string, flows: number): void;
}

export function createGroupMetrics(metrics: Metrics, stage: string): GroupMetrics {
  const groups = metrics.gauge(
    'pipeline_extractor_groups',
    'Groups of flows that an extractor keeps, by rule',
    ['stage', 'rule'],
  );
  const rejected = metrics.counter(
    'pipeline_extractor_rejected_flows_total',
    'Flows that an extractor had no room for, by rule',
    ['stage', 'rule'],
  );
  return {
    groups: (rule, count) => groups.set({ stage, rule }, count),
    rejected: (rule, flows) => {
      if (flows > 0) rejected.inc({ stage, rule }, flows);
    },
  };
}

/** Counts flows of a matrix whose conversation was one too many to remember. */
export function createMatrixMetrics(metrics: Metrics, stage: string): (flows: number) => void {
  const unremembered = metrics.counter(
    'pipeline_matrix_unremembered_flows_total',
    'Flows of a matrix whose conversation found no room, so that each says for itself who is the client',
    ['stage'],
  );
  unremembered.inc({ stage }, 0);
  return (flows) => unremembered.inc({ stage }, flows);
}
