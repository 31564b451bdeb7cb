import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { output, ROOT, seconds } from './steps.ts';

/**
 * The servers of `npm run test:services` that are in no Debian package: fetched once, into a cache
 * that outlives clones, in a folder for each version.
 */
interface Server {
  readonly version: string;
  /** Fills an empty folder. */
  fetch(folder: string): void;
}

const POM = join(ROOT, 'test', 'services', 'kafka', 'pom.xml');

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
} as const satisfies Readonly<Record<string, Server>>;

export type ServerName = keyof typeof SERVERS;

/** Where a server is, or will be. */
export function serverFolder(name: ServerName): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(cache, 'netobserv', 'servers', `${name}-${SERVERS[name].version}`);
}

/** Fetches what is not there yet; a folder is there whole or not at all. */
export function fetchServers(): void {
  for (const name of Object.keys(SERVERS) as ServerName[]) {
    const folder = serverFolder(name);
    if (existsSync(folder)) continue;
    const startMs = performance.now();
    mkdirSync(join(folder, '..'), { recursive: true });
    const partial = mkdtempSync(`${folder}.`);
    SERVERS[name].fetch(partial);
    renameSync(partial, folder);
    console.log(`${name}: fetched in ${seconds(performance.now() - startMs)}`);
  }
}
