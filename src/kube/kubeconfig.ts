import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { explain, NetobservError } from '../base/errors.ts';
import type { KubeAccess, KubeCredentials } from './credentials.ts';
import { KUBE_ERRORS } from './errors.ts';

/**
 * The current context of kubeconfig files; of several files, the first that defines a name counts.
 * Programs and providers that a file names for credentials are asked by
 * `@kubernetes/client-node`. Throws `config`.
 */
export function loadKubeconfig(paths: readonly string[]): KubeAccess {
  let config: KubeConfig;
  const where = `kubeconfig ${paths.join(', ')}`;
  try {
    config = merged(paths.map(loadFile));
  } catch (cause) {
    throw new NetobservError(KUBE_ERRORS.config, `${where}: ${explain(cause)}`, { cause });
  }
  const { server = '', proxyUrl = '' } = config.getCurrentCluster() ?? {};
  if (proxyUrl !== '') {
    throw new NetobservError(KUBE_ERRORS.config, `${where}: proxy-url is not supported`);
  }
  if (!URL.canParse(server)) {
    const problem = `${where}: the current context names no cluster with a server`;
    throw new NetobservError(KUBE_ERRORS.config, problem);
  }
  return { server: server.replace(/\/+$/, ''), credentials: () => credentialsOf(config) };
}

function loadFile(path: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(path);
  return config;
}

// The library's own merge refuses names that two files define.
function merged(configs: readonly KubeConfig[]): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: firstByName(configs.flatMap(({ clusters }) => clusters)),
    users: firstByName(configs.flatMap(({ users }) => users)),
    contexts: firstByName(configs.flatMap(({ contexts }) => contexts)),
    currentContext: configs.map((one) => one.currentContext).find(Boolean) ?? '',
  });
  return config;
}

function firstByName<Named extends { readonly name: string }>(all: readonly Named[]): Named[] {
  return all.filter(({ name }, at) => all.findIndex((one) => one.name === name) === at);
}

async function credentialsOf(config: KubeConfig): Promise<KubeCredentials> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const { ca, cert, key, servername, rejectUnauthorized, auth } = options;
  const headers = Object.fromEntries(
    Object.entries((options.headers ?? {}) as Record<string, unknown>).map(([name, value]) => [
      name.toLowerCase(),
      String(value),
    ]),
  );
  if (typeof auth === 'string' && headers.authorization === undefined) {
    headers.authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
  }
  const tls = { ca, cert, key, servername, rejectUnauthorized };
  const given = Object.entries(tls).filter(([, value]) => value !== undefined && value !== null);
  return { headers, tls: Object.fromEntries(given) };
}
