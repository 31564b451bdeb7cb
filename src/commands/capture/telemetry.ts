import type { AgentConfig } from '../../agent/config.ts';
import { refuse } from '../../agent/export/check.ts';
import type { Component } from '../../base/component.ts';
import type { PprofServerDeps } from '../../telemetry/pprof-server.ts';
import type { TelemetryServerDeps } from '../../telemetry/server.ts';

/** The server of METRICS_ENABLE; none, and nothing of it loaded, when it is off. */
export async function metricsServer(
  config: AgentConfig,
  deps: TelemetryServerDeps,
): Promise<readonly Component[]> {
  if (!config.metricsEnable) return [];
  checkTlsPair(config);
  const { createTelemetryServer } = await import('../../telemetry/server.ts');
  const { metricsTlsCertPath: certPath, metricsTlsKeyPath: keyPath } = config;
  const server = createTelemetryServer(
    {
      address: config.metricsServerAddress,
      port: config.metricsServerPort,
      ...(certPath === '' ? {} : { tls: { certPath, keyPath } }),
    },
    { ...deps, counts: deps.metrics },
  );
  return [server];
}

/** One without the other would mean plain text, which nobody asked for. */
function checkTlsPair({ metricsTlsCertPath, metricsTlsKeyPath }: AgentConfig): void {
  if ((metricsTlsCertPath === '') === (metricsTlsKeyPath === '')) return;
  const missing = metricsTlsCertPath === '' ? 'metricsTlsCertPath' : 'metricsTlsKeyPath';
  throw refuse(missing, 'not set: a certificate and its key go together');
}

/** The server of PPROF_ADDR, likewise. */
export async function profileServer(
  { pprofAddr }: AgentConfig,
  deps: PprofServerDeps,
): Promise<readonly Component[]> {
  if (pprofAddr === '') return [];
  const { createPprofServer } = await import('../../telemetry/pprof-server.ts');
  return [createPprofServer(pprofAddr, deps)];
}
