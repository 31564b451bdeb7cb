import type { Agent } from '../../agent/agent.ts';
import type { Health, HealthState } from '../../telemetry/health.ts';

/** Makes `/readyz` and `/livez` report on an agent and its exporter. */
export function watchHealth(
  health: Health,
  agent: Pick<Agent, 'readiness' | 'liveness'>,
  exporter?: { readiness(): HealthState },
): void {
  health.addReady('hooks', () => agent.readiness().hooks);
  health.addReady('drain', () => agent.readiness().drain);
  health.addLive('drain', () => agent.liveness());
  if (exporter !== undefined) health.addReady('exporter', () => exporter.readiness());
}
