import type { Component } from '../../base/component.ts';
import { NetobservError } from '../../base/errors.ts';
import type { ListenAddress } from '../../base/listen.ts';
import { CONFIG_ERRORS } from '../../config/errors.ts';
import type { PprofServerDeps } from '../../telemetry/pprof-server.ts';
import type { TelemetryServerDeps } from '../../telemetry/server.ts';

/** The options of a daemon's metrics server. */
export interface MetricsServerConfig {
  readonly metricsEnable: boolean;
  /** Empty for all addresses. */
  readonly metricsServerAddress: string;
  readonly metricsServerPort: number;
  /** Paths of PEM files; both empty for plain text. */
  readonly metricsTlsCertPath: string;
  readonly metricsTlsKeyPath: string;
  /** Empty: no token of this server's own. */
  readonly metricsTokenPath: string;
}

/** The server of METRICS_ENABLE. When it is off, there is none, and its code is not loaded. */
export async function metricsServer(
  config: MetricsServerConfig,
  deps: TelemetryServerDeps,
): Promise<readonly Component[]> {
  if (!config.metricsEnable) return [];
  checkTlsPair(config);
  const { createTelemetryServer } = await import('../../telemetry/server.ts');
  const { metricsTlsCertPath: certPath, metricsTlsKeyPath: keyPath, metricsTokenPath } = config;
  const isTokenOwn = metricsTokenPath !== '';
  const server = createTelemetryServer(
    {
      address: config.metricsServerAddress,
      port: config.metricsServerPort,
      ...(certPath === '' ? {} : { tls: { certPath, keyPath } }),
      ...(isTokenOwn ? { tokenPath: metricsTokenPath } : {}),
    },
    {
      ...{ ...deps, counts: deps.metrics },
      ...(isTokenOwn ? { tokenOption: 'METRICS_TOKEN_PATH' } : {}),
    },
  );
  return [server];
}

/** One without the other would mean plain text, which was not requested. */
function checkTlsPair({ metricsTlsCertPath, metricsTlsKeyPath }: MetricsServerConfig): void {
  if ((metricsTlsCertPath === '') === (metricsTlsKeyPath === '')) return;
  const variable = metricsTlsCertPath === '' ? 'METRICS_TLS_CERT_PATH' : 'METRICS_TLS_KEY_PATH';
  const message = `${variable}: not set: a certificate and its key go together`;
  throw new NetobservError(CONFIG_ERRORS.invalid, message, { details: { variable } });
}

/** The options of a daemon's profile server. */
export interface ProfileServerConfig {
  /** Empty for no server. */
  readonly pprofAddr: ListenAddress | '';
}

/** The server of PPROF_ADDR; when that is empty, there is none, and its code is not loaded. */
export async function profileServer(
  { pprofAddr }: ProfileServerConfig,
  deps: PprofServerDeps,
): Promise<readonly Component[]> {
  if (pprofAddr === '') return [];
  const { createPprofServer } = await import('../../telemetry/pprof-server.ts');
  return [createPprofServer(pprofAddr, deps)];
}
