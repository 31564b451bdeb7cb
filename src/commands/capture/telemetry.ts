import type { AgentConfig } from '../../agent/config.ts';
import type { Component } from '../../base/component.ts';
import type { PprofServerDeps } from '../../telemetry/pprof-server.ts';
import type { TelemetryServerDeps } from '../../telemetry/server.ts';

/** The server of METRICS_ENABLE; none, and nothing of it loaded, when it is off. */
export async function metricsServer(
  config: AgentConfig,
  deps: TelemetryServerDeps,
): Promise<readonly Component[]> {
  if (!config.metricsEnable) return [];
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

/** The server of PPROF_ADDR, likewise. */
export async function profileServer(
  { pprofAddr }: AgentConfig,
  deps: PprofServerDeps,
): Promise<readonly Component[]> {
  if (pprofAddr === '') return [];
  const { createPprofServer } = await import('../../telemetry/pprof-server.ts');
  return [createPprofServer(pprofAddr, deps)];
}
