import { lookup } from 'node:dns/promises';
import type { Native } from '../../agent/loader/native.ts';
import { type Clock, systemRandom } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { NetobservError } from '../../base/errors.ts';
import { CONFIG_ERRORS } from '../../config/errors.ts';
import { dnsName } from '../../kube/cache/discovery.ts';
import { ELECTION_TIMES } from '../../kube/cache/election.ts';
import { Informers, type InformersConfig } from '../../kube/cache/informers.ts';
import { Health } from '../../telemetry/health.ts';
import { type HttpServer, send, serveHttp } from '../../telemetry/http.ts';
import type { Log } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { type LossCount, registerProcessMetrics } from '../../telemetry/process-metrics.ts';
import { createTelemetryServer } from '../../telemetry/server.ts';
import { readHostFile } from '../capabilities.ts';
import { exposeCollection, keepMemorySmall } from '../daemon/memory.ts';
import type { InformersOptions } from './options.ts';

export interface InformersHostDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stderr: LossCount;
  readonly native: Native;
  /** Name of this machine or pod. */
  readonly hostname: string;
}

export interface InformersHost {
  /** In start order. */
  readonly components: readonly Component[];
  readonly health: Health;
}

const LEASE = 'flp-informers-lease';
/** Waits between two attempts to reach a processor. */
const BACKOFF = { firstMs: 1000, maxMs: 60_000 };
const ID_DIGITS = 8;

export function createInformersHost(
  options: InformersOptions,
  deps: InformersHostDeps,
): InformersHost {
  const { log, clock, env, native, stderr } = deps;
  const metrics = createMetrics('');
  registerProcessMetrics(metrics, stderr);
  const health = new Health();
  const informers = new Informers(configOf(options, deps), {
    ...{ log, clock, env, metrics, random: systemRandom },
    resolve: addressesOf,
  });
  health.addReady('informers', () => informers.state());
  const { healthPort, metricsPort } = options;
  const shared = { log, metrics, health, counts: metrics };
  return {
    components: [
      ...(metricsPort === 0
        ? []
        : [createTelemetryServer({ address: '', port: metricsPort }, shared)]),
      ...(healthPort === 0 ? [] : [healthServer(healthPort, informers, { log, health })]),
      informers,
      keepMemorySmall({ native, log, clock, exposeCollection, read: readHostFile }),
    ],
    health,
  };
}

/** Addresses of one family: with both, each processor would be served twice. */
async function addressesOf(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  return found.filter(({ family }) => family === found[0]!.family).map(({ address }) => address);
}

/** Throws `CONFIG_ERRORS.invalid`. */
function configOf(
  options: InformersOptions,
  { env, hostname }: Pick<InformersHostDeps, 'env' | 'hostname'>,
): InformersConfig {
  const namespace = env.POD_NAMESPACE ?? 'default';
  // Two programs on one machine are two candidates.
  const suffix = systemRandom()
    .toString(36)
    .slice(2, 2 + ID_DIGITS);
  const discovery = {
    namespace,
    selector: options.processorSelector,
    serviceName: options.processorServiceName,
    resyncMs: options.resyncInterval,
  };
  return {
    configPath: options.kubeconfig,
    networks: options.secondaryNetworks ?? [],
    managedCni: options.managedCni,
    trackedKinds: options.trackedKinds,
    discovery,
    link: {
      port: options.processorPort,
      tls: tlsOf(options),
      serverName: options.tlsServerName || dnsName(discovery),
      batchEntries: options.batchSize,
      bufferMessages: options.updateBufferSize,
      sendMs: options.sendTimeout,
      backoff: BACKOFF,
    },
    election: options.enableLeaderElection
      ? { namespace, name: LEASE, identity: `${hostname}_${suffix}`, ...ELECTION_TIMES }
      : undefined,
  };
}

function tlsOf({
  tlsEnabled,
  tlsCertPath: certPath,
  tlsKeyPath: keyPath,
  tlsCaPath: caPath,
  tlsInsecureSkipVerify: insecureSkipVerify,
}: InformersOptions) {
  if (!tlsEnabled) return undefined;
  if ((certPath === '') !== (keyPath === '')) {
    const problem = '--tls-cert-path and --tls-key-path go together';
    throw new NetobservError(CONFIG_ERRORS.invalid, problem);
  }
  return {
    ...(caPath === '' ? {} : { caPath }),
    ...(certPath === '' ? {} : { certPath, keyPath }),
    insecureSkipVerify,
  };
}

/** The paths of flowlogs-pipeline's informers. */
function healthServer(
  port: number,
  informers: Informers,
  { log, health }: { readonly log: Log; readonly health: Health },
): HttpServer {
  return serveHttp('health', { address: '', port }, { log }, async (url, response) => {
    const json = (status: number, body: unknown): void =>
      send(response, status, 'application/json', `${JSON.stringify(body)}\n`);
    const { ok, checks } = health.ready();
    if (url.pathname === '/healthz') json(200, { status: 'ok' });
    else if (url.pathname === '/ready') json(ok ? 200 : 503, { ready: ok, checks });
    else if (url.pathname === '/status') json(200, { ready: ok, ...informers.status() });
    else send(response, 404, 'text/plain', 'not found: try /healthz, /ready or /status\n');
  });
}
