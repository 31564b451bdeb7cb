import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A server that Go's own tools build from modules: `go.mod` and `go.sum` in its folder pin each of
 * them. `what`: the package to build, in the folder or a module.
 */
export function goServer(source: string, name: string, what: string) {
  const files = readdirSync(source).filter((file) => /^go\.(mod|sum)$|\.go$/.test(file));
  const hash = createHash('sha256');
  for (const file of files.toSorted()) hash.update(readFileSync(join(source, file)));
  return {
    version: hash.digest('hex').slice(0, 12),
    /** Leaves the executable, and what it was made of, in the folder. */
    fetch(folder: string): void {
      for (const file of files) copyFileSync(join(source, file), join(folder, file));
      const options = ['-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', join(folder, name)];
      const args = ['-C', folder, 'build', ...options, what];
      const env = { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' };
      const { status } = spawnSync('go', args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
      if (status === 0) return;
      throw new Error(`go ${args.join(' ')} has failed; it needs Go 1.26 or later`);
    },
  };
}
