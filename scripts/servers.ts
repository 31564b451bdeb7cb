import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, fetchWhole } from './cache.ts';
import { goServer } from './go-server.ts';
import { output, ROOT } from './steps.ts';

/**
 * The servers of `npm run test:services` that no Debian package has: fetched once, into a cache
 * that outlives clones, in a folder for each version.
 */
interface Server {
  readonly version: string;
  /** Fills an empty folder. */
  fetch(folder: string): void;
}

const SERVICES = join(ROOT, 'test', 'services');
const POM = join(SERVICES, 'kafka', 'pom.xml');

const SERVERS = {
  /** Folder `lib` with the jars. */
  kafka: {
    version: /<artifactId>kafka_[\d.]+<\/artifactId>\s*<version>([^<]+)</.exec(
      readFileSync(POM, 'utf8'),
    )![1]!,
    fetch(folder) {
      copyFileSync(POM, join(folder, 'pom.xml'));
      const goal = 'dependency:copy-dependencies';
      const options = ['-DincludeScope=runtime', `-DoutputDirectory=${join(folder, 'lib')}`];
      const args = ['-B', '-q', '-ntp', '-f', join(folder, 'pom.xml'), goal, ...options];
      if (output('mvn', args) === undefined) throw new Error(`mvn ${args.join(' ')} has failed`);
    },
  },
  /** `kube`: etcd and the API server of Kubernetes. Its build takes ten minutes of one CPU. */
  kube: goServer(join(SERVICES, 'kube', 'server'), 'kube', '.'),
  /** `otelcol`: the collector of OpenTelemetry. */
  otelcol: goServer(join(SERVICES, 'otelcol'), 'otelcol', '.'),
  grpcurl: goServer(
    join(SERVICES, 'grpcurl'),
    'grpcurl',
    'github.com/fullstorydev/grpcurl/cmd/grpcurl',
  ),
  /** `versitygw`: an S3 server that keeps objects as files. */
  s3: goServer(join(SERVICES, 's3'), 'versitygw', 'github.com/versity/versitygw/cmd/versitygw'),
} as const satisfies Readonly<Record<string, Server>>;

export type ServerName = keyof typeof SERVERS;

/** A server's folder, fetched or not. */
export function serverFolder(name: ServerName): string {
  return cached('servers', `${name}-${SERVERS[name].version}`);
}

/** Fetches what is missing; a folder is complete or absent. */
export function fetchServers(): void {
  for (const name of Object.keys(SERVERS) as ServerName[]) {
    fetchWhole(serverFolder(name), (draft) => SERVERS[name].fetch(draft));
  }
}
