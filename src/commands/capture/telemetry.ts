import type { AgentConfig } from '../../agent/config.ts';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import type { Log } from '../../telemetry/log.ts';
import { createTelemetryServer, type TelemetryServerDeps } from '../../telemetry/server.ts';

/** The server of METRICS_ENABLE; none when it is off. */
export function metricsServer(
  config: AgentConfig,
  deps: TelemetryServerDeps,
): readonly Component[] {
  if (!config.metricsEnable) return [];
  const { metricsTlsCertPath: certPath, metricsTlsKeyPath: keyPath } = config;
  const server = createTelemetryServer(
    {
      address: config.metricsServerAddress,
      port: config.metricsServerPort,
      ...(certPath === '' ? {} : { tls: { certPath, keyPath } }),
    },
    deps,
  );
  return [server];
}

/** The server of PPROF_ADDR; none, and nothing of it loaded, when it is not set. */
export async function profileServer(
  { pprofAddr }: AgentConfig,
  deps: { readonly log: Log; readonly clock: Clock },
): Promise<readonly Component[]> {
  if (pprofAddr === '') return [];
  const { createPprofServer } = await import('../../telemetry/pprof-server.ts');
  return [createPprofServer(pprofAddr, deps)];
}
