import { NetobservError } from '../../base/errors.ts';
import { CONFIG_ERRORS } from '../../config/errors.ts';
import type { CacheFeedDeps } from '../../kube/cache/cache-feed.ts';
import type { ClusterFeed } from '../../kube/feed.ts';
import type { ProcessorConfig } from './options.ts';

export type MakeFeed = (deps: CacheFeedDeps) => ClusterFeed;

/** The server for informers, for a cluster. Throws `CONFIG_ERRORS.invalid`. */
export async function cacheFeed(config: ProcessorConfig): Promise<MakeFeed> {
  const { k8scacheAddress: host, k8scachePort: port } = config;
  const tls = tlsOf(config);
  const { CacheFeed } = await import('../../kube/cache/cache-feed.ts');
  return (deps) => new CacheFeed({ host, port, tls }, deps);
}

function tlsOf({
  k8scacheTlsEnabled: isEnabled,
  k8scacheTlsCertPath: certPath,
  k8scacheTlsKeyPath: keyPath,
  k8scacheTlsCaPath: caPath,
}: ProcessorConfig) {
  if (!isEnabled) return undefined;
  if (certPath === '' || keyPath === '') {
    const problem = 'k8scache.tls-enabled needs k8scache.tls-cert-path and k8scache.tls-key-path';
    throw new NetobservError(CONFIG_ERRORS.invalid, problem);
  }
  return { certPath, keyPath, ...(caPath === '' ? {} : { clientCaPath: caPath }) };
}
