import { agentOptions } from '../../agent/config.ts';
import { type Configured, flag, integer, type Option, text } from '../../config/options.ts';

const { logLevel, pprofAddr } = agentOptions;

const PORT = { min: 0, max: 65_535 };

/** The server that takes the cluster from informers. */
const cache = {
  k8scacheAddress: text(
    'NETOBSERV_K8SCACHE_ADDRESS',
    '0.0.0.0',
    'address of the server for informers',
  ),
  k8scachePort: integer(
    'NETOBSERV_K8SCACHE_PORT',
    0,
    'port on which informers push the cluster, in place of reading the API; 0: none',
    PORT,
  ),
  k8scacheTlsEnabled: flag('NETOBSERV_K8SCACHE_TLS_ENABLED', false, 'TLS for informers'),
  k8scacheTlsCertPath: text(
    'NETOBSERV_K8SCACHE_TLS_CERT_PATH',
    '',
    'certificate of the server: PEM file',
  ),
  k8scacheTlsKeyPath: text('NETOBSERV_K8SCACHE_TLS_KEY_PATH', '', 'its key: PEM file'),
  k8scacheTlsCaPath: text(
    'NETOBSERV_K8SCACHE_TLS_CA_PATH',
    '',
    'authorities of the certificates that informers must have: PEM file; empty: they need none',
  ),
};

/** The options around a pipeline; a pipeline's file has them under the names of `FILE_KEYS`. */
export const processorOptions = {
  logLevel,
  healthAddr: {
    ...pprofAddr,
    env: 'HEALTH_ADDR',
    describe: 'address for /live and /ready, for example :8080; empty: none',
  } satisfies Option<unknown>,
  pprofAddr,
  ...cache,
};

export type ProcessorConfig = Configured<typeof processorOptions>;

/** Keys of flowlogs-pipeline's file, and its flags, by the option's flag. */
export const FILE_KEYS: Readonly<Record<string, string>> = {
  'log-level': 'log-level',
  healthAddr: 'health-addr',
  pprofAddr: 'pprof-addr',
  'k8scache.address': 'k8scache-address',
  'k8scache.port': 'k8scache-port',
  'k8scache.tls-enabled': 'k8scache-tls-enabled',
  'k8scache.tls-cert-path': 'k8scache-tls-cert-path',
  'k8scache.tls-key-path': 'k8scache-tls-key-path',
  'k8scache.tls-ca-path': 'k8scache-tls-ca-path',
};

/** Parts of the file that a flag of the same name replaces, as JSON or YAML. */
export const PART_FLAGS = [
  'pipeline',
  'parameters',
  'metricsSettings',
  'dynamicParameters',
] as const;
