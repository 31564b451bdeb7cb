import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { NetobservError } from '../base/errors.ts';
import { type RenewalReport, RenewedFiles } from '../telemetry/renewed-files.ts';
import type { KubeAccess, KubeCredentials } from './credentials.ts';
import { KUBE_ERRORS } from './errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The folder in which Kubernetes mounts the token of a pod's service account. */
const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The first of: `configPath`, the files in `KUBECONFIG`, `~/.kube/config`, the pod's service
 * account. Throws `config` if there is none, or if it cannot be used.
 */
export async function findAccess(
  configPath: string,
  env: Environment,
  report: RenewalReport,
  accountFolder = ACCOUNT_FOLDER,
): Promise<KubeAccess> {
  const paths = kubeconfigPaths(configPath, env);
  if (paths.length === 0) return accountAccess(env, report, accountFolder);
  // The library takes 90 MB of memory, which pods do without.
  const { loadKubeconfig } = await import('./kubeconfig.ts');
  return loadKubeconfig(paths);
}

function kubeconfigPaths(configPath: string, env: Environment): readonly string[] {
  if (configPath !== '') return [configPath];
  const named = (env.KUBECONFIG ?? '').split(delimiter).filter((path) => path !== '');
  // As kubectl does: of several files, some may be missing.
  if (named.length > 1 && named.some((path) => existsSync(path))) return named.filter(existsSync);
  if (named.length > 0) return named;
  const own = join(env.HOME ?? '/', '.kube', 'config');
  return existsSync(own) ? [own] : [];
}

function accountAccess(env: Environment, report: RenewalReport, folder: string): KubeAccess {
  const host = env.KUBERNETES_SERVICE_HOST ?? '';
  const port = env.KUBERNETES_SERVICE_PORT ?? '443';
  const problem = 'no kubeconfig, and no service account of a pod';
  if (host === '') throw new NetobservError(KUBE_ERRORS.config, problem);
  let files: RenewedFiles<KubeCredentials>;
  try {
    files = new RenewedFiles(
      [join(folder, 'token'), join(folder, 'ca.crt')],
      ([token, ca]) => ({
        headers: { authorization: `Bearer ${token!.trim()}` },
        tls: { ca: ca! },
      }),
      report,
    );
  } catch (cause) {
    throw new NetobservError(KUBE_ERRORS.config, `${problem}: ${folder}`, { cause });
  }
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    credentials: () => Promise.resolve(files.current()),
  };
}
