import { agentOptions } from '../../agent/config.ts';
import { parseDurationMs } from '../../base/units.ts';
import {
  type Configured,
  duration,
  flag,
  integer,
  list,
  type Option,
  structured,
  text,
} from '../../config/options.ts';
import type { NetworkIndex } from '../../kube/index/needs.ts';

const PORT = { min: 1, max: 65_535 };
const SOME = { min: 1, max: 100_000 };

/** As flowlogs-pipeline has them, in seconds without a unit; other durations are read as well. */
function seconds(env: string, fallback: string, describe: string): Option<number> {
  const wanted = 'seconds such as 60, or a duration such as 1m30s';
  const parse = (value: string): number | undefined => {
    const ms = /^\d+$/.test(value) ? Number(value) * 1000 : parseDurationMs(value);
    return ms !== undefined && ms > 0 ? ms : undefined;
  };
  return { ...duration(env, fallback, describe), parse, wanted };
}

/** Parts of a flow that identify a pod in a secondary network. */
const PARTS = ['mac', 'ip', 'interface', 'udn'] as const;
const NETWORKS_FORM = 'expected a list such as [{"index": {"ip": {}, "interface": {}}}]';

/** In the form of `secondaryNetworks` of `transform: network`. */
function readNetworks(
  value: string,
): { readonly value: readonly NetworkIndex[] } | { readonly problems: readonly string[] } {
  let given: unknown;
  try {
    given = JSON.parse(value);
  } catch {
    return { problems: [`it is not JSON: ${NETWORKS_FORM}`] };
  }
  if (!Array.isArray(given)) return { problems: [NETWORKS_FORM] };
  const indexes = given.map((one: { readonly index?: Readonly<Record<string, unknown>> } | null) =>
    Object.keys(one?.index ?? {}),
  );
  const unknown = indexes.flat().filter((part) => !(PARTS as readonly string[]).includes(part));
  if (unknown.length > 0 || indexes.some(({ length }) => length === 0)) {
    return { problems: [`${NETWORKS_FORM}, of ${PARTS.join(', ')}`] };
  }
  const networks = indexes.map((index) => {
    const has = (part: (typeof PARTS)[number]): boolean => index.includes(part);
    const udn = has('udn');
    const [mac, ip, inter] = [has('mac') && !udn, has('ip') && !udn, has('interface') && !udn];
    return { mac, ip, interface: inter, udn };
  });
  return { value: networks };
}

/** Names, and defaults, are those of flowlogs-pipeline's informers. */
export const informersOptions = {
  kubeconfig: text(
    'FLP_INFORMERS_KUBECONFIG',
    '',
    'kubeconfig file; empty: KUBECONFIG, ~/.kube/config, or the account of the pod',
  ),
  processorSelector: text(
    'FLP_INFORMERS_PROCESSOR_SELECTOR',
    'app=flowlogs-pipeline',
    'labels of the pods of processors, in the namespace of POD_NAMESPACE',
  ),
  processorPort: integer(
    'FLP_INFORMERS_PROCESSOR_PORT',
    9090,
    'port of processors: their --k8scache.port',
    PORT,
  ),
  processorServiceName: text(
    'FLP_INFORMERS_PROCESSOR_SERVICE_NAME',
    '',
    'headless service with all processors, in place of the selector',
  ),
  resyncInterval: seconds(
    'FLP_INFORMERS_RESYNC_INTERVAL',
    '60',
    'time between two look-ups of that service; pods are watched',
  ),
  tlsEnabled: flag('FLP_INFORMERS_TLS_ENABLED', false, 'TLS to processors'),
  tlsCertPath: text('FLP_INFORMERS_TLS_CERT_PATH', '', 'own certificate for processors: PEM file'),
  tlsKeyPath: text('FLP_INFORMERS_TLS_KEY_PATH', '', 'its key: PEM file'),
  tlsCaPath: text(
    'FLP_INFORMERS_TLS_CA_PATH',
    '',
    'authorities of the certificates of processors: PEM file; empty: the usual ones',
  ),
  tlsServerName: text(
    'FLP_INFORMERS_TLS_SERVER_NAME',
    '',
    'name in the certificates of processors; empty: the service, or the address',
  ),
  tlsInsecureSkipVerify: flag(
    'FLP_INFORMERS_TLS_INSECURE_SKIP_VERIFY',
    false,
    'accept any certificate of processors',
  ),
  updateBufferSize: integer(
    'FLP_INFORMERS_UPDATE_BUFFER_SIZE',
    100,
    'messages of changes that wait for a processor; with more, it gets a snapshot',
    SOME,
  ),
  sendTimeout: seconds(
    'FLP_INFORMERS_SEND_TIMEOUT',
    '10',
    'time for a processor to take a message, or to acknowledge it',
  ),
  batchSize: integer('FLP_INFORMERS_BATCH_SIZE', 100, 'objects in one message', SOME),
  enableLeaderElection: flag(
    'FLP_INFORMERS_ENABLE_LEADER_ELECTION',
    true,
    'of several informers, one works: it holds the Lease flp-informers-lease',
  ),
  healthPort: integer(
    'FLP_INFORMERS_HEALTH_PORT',
    8080,
    'port of /healthz, /ready and /status; 0: none',
    { ...PORT, min: 0 },
  ),
  metricsPort: integer('FLP_INFORMERS_METRICS_PORT', 9091, 'port of /metrics; 0: none', {
    ...PORT,
    min: 0,
  }),
  managedCni: list(
    'FLP_INFORMERS_MANAGED_CNI',
    'ovn',
    'network plugins whose addresses of nodes are known: ovn',
  ),
  trackedKinds: list(
    'FLP_INFORMERS_TRACKED_KINDS',
    '',
    'kinds of owners that names end at; empty: the owner of the ReplicaSet or Job',
  ),
  secondaryNetworks: structured(
    'FLP_INFORMERS_SECONDARY_NETWORKS',
    'what identifies pods in secondary networks: JSON as of transform: network, or @FILE',
    readNetworks,
  ),
  logLevel: { ...agentOptions.logLevel, env: 'FLP_INFORMERS_LOG_LEVEL' },
};

export type InformersOptions = Configured<typeof informersOptions>;
