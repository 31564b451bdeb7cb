import { homedir } from 'node:os';
import { join } from 'node:path';
import { agentOptions } from '../../agent/config.ts';
import { type ListenAddress, parseListen } from '../../base/listen.ts';
import {
  type Configured,
  duration,
  flag,
  type Option,
  path,
  size,
  text,
} from '../../config/options.ts';
import { consoleOptions } from '../../console/options.ts';
import { featureOptions } from '../features.ts';

const storeOptions = {
  data: text(
    'NETOBSERV_DATA',
    '',
    'folder of the flows; "memory" keeps them until the program ends',
  ),
  retentionMs: duration('NETOBSERV_RETENTION', '24h', 'age at which flows are dropped'),
  storeSizeBytes: size(
    'NETOBSERV_STORE_SIZE',
    '10GiB',
    'disk space at which the oldest are dropped',
  ),
  storeMemoryBytes: size('NETOBSERV_STORE_MEMORY', '256MiB', 'memory of the database'),
};

/** Where datagrams with flows are received; empty: nowhere. */
function inletAt(env: string, port: number, describe: string): Option<ListenAddress | ''> {
  return {
    ...{ env, type: 'string', describe, fallback: '' },
    parse(value) {
      const address = parseListen(value);
      // Senders could not know a port that the kernel chooses.
      return address?.port === 0 ? undefined : address;
    },
    wanted: `HOST:PORT, such as 127.0.0.1:${port}, or :${port} for all addresses`,
  };
}

const routerOptions = {
  netflow: inletAt(
    'NETOBSERV_NETFLOW',
    2055,
    'host and port for NetFlow 5, 9 and IPFIX of routers, by UDP',
  ),
  sflow: inletAt('NETOBSERV_SFLOW', 6343, 'host and port for sFlow of switches, by UDP'),
  exporters: path(
    'NETOBSERV_EXPORTERS',
    'file with names of routers, switches and their interfaces, in YAML or JSON',
  ),
};

const nameOptions = {
  networks: path(
    'NETOBSERV_NETWORKS',
    'file with names of networks, in YAML or JSON: "- {name: office, cidrs: [10.1.0.0/16]}"',
  ),
  geoCountries: flag(
    'NETOBSERV_GEO_COUNTRIES',
    true,
    'name the country of addresses, by the database that the program brings along',
  ),
  geoCityFile: path(
    'NETOBSERV_GEO_CITY_FILE',
    'database of cities and countries by address, in MaxMind’s format (MMDB), in place of ' +
      'countries alone',
  ),
  geoAsnFile: path(
    'NETOBSERV_GEO_ASN_FILE',
    'database of autonomous systems by address, in MaxMind’s format (MMDB)',
  ),
};

export const upOptions = {
  ...consoleOptions,
  ...routerOptions,
  ...nameOptions,
  ...storeOptions,
  ...featureOptions,
  ...agentOptions,
};

export type UpConfig = Configured<typeof upOptions>;

/** Options that `--help` describes; only `--help-all` describes the others. */
export const UP_COMMON: readonly (keyof typeof upOptions)[] = [
  'listen',
  'tokenFile',
  'data',
  'retentionMs',
  'netflow',
  'sflow',
  'interfaces',
  'excludeInterfaces',
  'direction',
  'sampling',
  'features',
  'cacheActiveTimeoutMs',
  'cacheMaxFlows',
  'metricsEnable',
  'logLevel',
];

/** Data folder when none is given: the system's for root, the user's for anybody else. */
export function defaultDataDir(env: Readonly<Record<string, string | undefined>>): string {
  if (process.getuid?.() === 0) return '/var/lib/netobserv';
  return join(env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'netobserv');
}
