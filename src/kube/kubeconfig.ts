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
  const config = new KubeConfig();
  const where = `kubeconfig ${paths.join(', ')}`;
  try {
    const [first, ...others] = paths;
    config.loadFromFile(first!);
    for (const path of others) {
      const more = new KubeConfig();
      more.loadFromFile(path);
      config.mergeConfig(more, true);
    }
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
