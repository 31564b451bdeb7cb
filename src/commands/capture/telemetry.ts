import type { AgentConfig } from '../../agent/config.ts';
import type { Component } from '../../base/component.ts';
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
