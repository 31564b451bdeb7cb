import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, fetchWhole } from './cache.ts';
import { output, ROOT, run } from './steps.ts';

/**
 * The servers of `npm run test:services` that no Debian package has: fetched once, into a cache
 * that outlives clones, in a folder for each version.
 */
interface Server {
  readonly version: string;
  /** Fills an empty folder. */
  fetch(folder: string): void;
}

const POM = join(ROOT, 'test', 'services', 'kafka', 'pom.xml');
/** A program of our own that consists of others' modules. */
const KUBE = join(ROOT, 'test', 'services', 'kube', 'server');
/** Of Go 1. */
const GO_MINOR_MIN = 21;

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
  /** File `kube`: etcd and the API server of Kubernetes. It takes about ten minutes of one CPU. */
  kube: {
    version: /^\tk8s\.io\/kubernetes v(\S+)$/m.exec(
      readFileSync(join(KUBE, 'go.mod'), 'utf8'),
    )![1]!,
    fetch(folder) {
      const go = output('go', ['env', 'GOVERSION']) ?? 'none';
      if (Number(/^go1\.(\d+)/.exec(go)?.[1] ?? 0) < GO_MINOR_MIN) {
        const wanted = `Go 1.${GO_MINOR_MIN} or newer, which fetches the version of go.mod`;
        throw new Error(`the API server of Kubernetes needs ${wanted}; here is ${go}`);
      }
      // Without a C compiler, and from no other modules than those of go.sum.
      const build = ['CGO_ENABLED=0', 'GOFLAGS=', 'go', 'build', '-C', KUBE, '-mod=readonly'];
      const options = [
        '-trimpath',
        '-buildvcs=false',
        '-ldflags=-s -w',
        '-o',
        join(folder, 'kube'),
      ];
      run('env', [...build, ...options, '.']);
    },
  },
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
