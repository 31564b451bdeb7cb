import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'vite';

const ROOT = join(import.meta.dirname, '..');
const WEB = join(ROOT, 'src/console/web');
const RESULT = join(ROOT, 'build/web');
/** Written last, so that an interrupted build is not mistaken for a finished one. */
const STAMP = join(RESULT, '.built');

/** Inputs of the bundle: its own sources, the layers it may import, and the libraries. */
const INPUTS = [
  WEB,
  join(ROOT, 'src/base'),
  join(ROOT, 'src/flow'),
  join(ROOT, 'src/query'),
  join(ROOT, 'package-lock.json'),
];

/** Builds the front end into build/web, unless nothing has changed since the last time. */
export async function buildWeb(): Promise<'built' | 'up to date'> {
  if (existsSync(STAMP) && statSync(STAMP).mtimeMs > newest(INPUTS)) return 'up to date';
  await buildForProduction();
  precompress(RESULT);
  writeFileSync(STAMP, '');
  return 'built';
}

/** Vite takes the libraries' development builds if NODE_ENV says so, as it does in tests. */
async function buildForProduction(): Promise<void> {
  const { env } = process;
  const { NODE_ENV: before } = env;
  env.NODE_ENV = 'production';
  try {
    await build({ root: WEB, configFile: join(WEB, 'vite.config.ts'), logLevel: 'warn' });
  } finally {
    if (before === undefined) delete env.NODE_ENV;
    else env.NODE_ENV = before;
  }
}

const TEXT_FILES = /\.(js|css|html|svg)$/;

/** Compressed once here, at the highest level, instead of at every request. */
function precompress(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !TEXT_FILES.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const content = readFileSync(path);
    writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
    const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
    writeFileSync(`${path}.br`, brotliCompressSync(content, { params }));
  }
}

function newest(paths: readonly string[]): number {
  let latest = 0;
  for (const path of paths) {
    const stat = statSync(path);
    // A folder's own time reveals removed files.
    latest = Math.max(latest, stat.mtimeMs);
    if (stat.isDirectory()) {
      latest = Math.max(latest, newest(readdirSync(path).map((name) => join(path, name))));
    }
  }
  return latest;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.stdout.write(`web: ${await buildWeb()}\n`);
}
