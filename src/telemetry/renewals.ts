import { explain } from '../base/errors.ts';
import type { Health } from './health.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { RenewalReport } from './renewed-files.ts';

export interface RenewalDeps {
  readonly log: Log;
  /** The metrics that count renewals. */
  readonly counts?: Metrics;
  readonly health?: Health;
}

/** Reports renewed files in the log, in a metric, and in `/readyz?full=1`. */
export function renewalReport(what: string, deps: RenewalDeps): RenewalReport {
  const renewals = deps.counts && createRenewalMetrics(deps.counts);
  let problem: string | undefined;
  deps.health?.addReady(what, () =>
    problem === undefined ? { ok: true } : { ok: true, note: problem },
  );
  return {
    renewed() {
      problem = undefined;
      renewals?.inc({ what, outcome: 'used' });
      deps.log.info({ component: what }, 'renewed files are in use');
    },
    refused(error) {
      problem = `the renewed files cannot be used, so the old ones stay in use: ${explain(error)}`;
      renewals?.inc({ what, outcome: 'refused' });
      deps.log.error(
        { component: what, error: explain(error) },
        'renewed files cannot be used: the old ones stay',
      );
    },
  };
}

export function createRenewalMetrics(metrics: Metrics) {
  return metrics.counter<'what' | 'outcome'>(
    'renewed_files_total',
    'Times that certificates, a token or a file of names were found renewed, and used or refused',
    ['what', 'outcome'],
  );
}
