import { createHash, hash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import pkgOptions from '@yao-pkg/pkg/lib-es5/options.js';
import pkgSea from '@yao-pkg/pkg/lib-es5/sea.js';
import { build, type OnResolveArgs, type Plugin } from 'esbuild';
import manifest from '../package.json' with { type: 'json' };
import type { BuildFacts } from '../src/commands/build-facts.ts';
import { buildId, type PackedManifest } from '../src/commands/unpacked.ts';
import { isForeign, suffixOf, wantedArchitecture } from './architectures.ts';
import { buildAll } from './build.ts';
import { buildNative, nativePath } from './build-native.ts';
import { leanNode } from './lean-node.ts';
import { npmPackage } from './npm-packages.ts';
import { filesBelow, output, ROOT, seconds } from './steps.ts';

/**
 * Writes `dist/netobserv`, or with `--arch arm64` on another machine `dist/netobserv-arm64`: Node
 * itself, one bundle of our code, and as assets the datapath, the native libraries and the web
 * front end. `src/commands/assets.ts` finds them there.
 */

const ARCHITECTURE = wantedArchitecture();
const NAME = `dist/netobserv${suffixOf(ARCHITECTURE)}`;
const TARGET = join(ROOT, NAME);
const WORK = join(ROOT, 'build', `pack${suffixOf(ARCHITECTURE)}`);
const COMPRESSED = join(ROOT, 'build', 'pack', 'zstd');
const CONSOLE_THREAD = join(WORK, 'console-thread.cjs');
const COUNTRIES_PACKAGE = '@ip-location-db/geo-whois-asn-country-mmdb';
const DUCKDB_PACKAGE = `@duckdb/node-bindings-linux-${ARCHITECTURE.name}`;

// Higher levels save 5 % and take four times as long.
const ZSTD_LEVEL = 12;

/** Assets by their name inside the executable. */
function assetFiles(): Record<string, string> {
  const duckdb = npmPackage(DUCKDB_PACKAGE);
  const assets: Record<string, string> = {
    'bpf/flows.bpf.o': 'build/bpf/flows.bpf.o',
    'native/netobserv.node': nativePath(ARCHITECTURE),
    'duckdb/duckdb.node': join(duckdb, 'duckdb.node'),
    'duckdb/libduckdb.so': join(duckdb, 'libduckdb.so'),
    'threads/console.cjs': relative(ROOT, CONSOLE_THREAD),
    'geo/countries.mmdb': join(npmPackage(COUNTRIES_PACKAGE), 'geo-whois-asn-country.mmdb'),
  };
  for (const path of filesBelow('build/web')) assets[path.slice('build/'.length)] = path;
  return assets;
}

function facts(): BuildFacts {
  const commit = output('git', ['rev-parse', '--short=12', 'HEAD']);
  const dirty = output('git', ['status', '--porcelain']) !== '';
  const date = output('git', ['log', '-1', '--format=%cI']);
  return {
    version: manifest.version,
    commit: commit === undefined ? 'unknown' : `${commit}${dirty ? '-dirty' : ''}`,
    date: date ?? '',
  };
}

/**
 * Loads DuckDB's addon from the unpacked asset. Its package requires a platform-specific package;
 * the executable has only this platform's.
 */
const duckdbFromAssets: Plugin = {
  name: 'duckdb-from-assets',
  setup(bundler) {
    bundler.onResolve({ filter: /^@duckdb\/node-bindings-.*\.node$/ }, ({ path }) => ({
      path,
      namespace: 'duckdb',
    }));
    bundler.onLoad({ filter: /.*/, namespace: 'duckdb' }, ({ path }) => ({
      resolveDir: ROOT,
      contents: path.includes(`${DUCKDB_PACKAGE}/`)
        ? `const { assetPath } = require('./src/commands/assets.ts');
           const files = ['duckdb/duckdb.node', 'duckdb/libduckdb.so'];
           process.dlopen(module, assetPath(files, process.env));`
        : `throw new Error('not part of this executable: ${path}');`,
    }));
  },
};

/**
 * Modules that are one function each, with their importers: an agent calls none of them before its
 * first packet, and loading them takes 35 ms, for tables of emoji and locales, and for HTTPS.
 */
const CALLED_LATE = [
  { module: /^(cliui|string-width)$/, importer: /\/yargs\/.*esm\.mjs$/ },
  { module: /^\.\/lib\/(pushgateway|defaultMetrics)$/, importer: /\/prom-client\/index\.js$/ },
];

const loadedWhenCalled: Plugin = {
  name: 'loaded-when-called',
  setup(bundler) {
    for (const { module, importer } of CALLED_LATE) {
      bundler.onResolve({ filter: module }, (asked) =>
        importer.test(asked.importer)
          ? { path: asked.path, namespace: 'when-called', pluginData: asked }
          : undefined,
      );
    }
    bundler.onLoad({ filter: /.*/, namespace: 'when-called' }, ({ path, pluginData }) => {
      const { kind, resolveDir } = pluginData as OnResolveArgs;
      const into = kind === 'require-call' ? 'module.exports =' : 'export default';
      const contents = `let loaded;
        ${into} (...values) => {
          loaded ??= require('${path}');
          return (loaded.default ?? loaded)(...values);
        };`;
      return { resolveDir, contents };
    });
  },
};

/**
 * The Kubernetes client, of which only the reading of kubeconfigs is used, loads classes for every
 * version of every kind of object. They take 20 MB of memory.
 */
const leanKubernetes: Plugin = {
  name: 'lean-kubernetes',
  setup(bundler) {
    bundler.onResolve({ filter: /^@kubernetes\/client-node$/ }, ({ path }) => ({
      path: join(npmPackage(path), 'dist', 'config.js'),
    }));
    bundler.onLoad({ filter: /\/client-node\/dist\/gen\/index\.js$/ }, () => ({
      contents: `export { createConfiguration } from './configuration.js';
        export { ServerConfiguration } from './servers.js';`,
    }));
  },
};

/** V8 keeps sources with a non-ASCII character in two bytes each: twice the memory, read twice. */
function asciiOnly(file: string): void {
  const escaped = (char: string): string =>
    `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const source = readFileSync(file, 'utf8');
  writeFileSync(file, source.replace(/[\u0080-\uffff]/g, escaped));
}

async function bundle(entry: string, outfile: string): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    // A single executable cannot load by path, so every import() becomes part of the bundle.
    supported: { 'dynamic-import': false },
    banner: { js: 'const __bundleUrl = require("node:url").pathToFileURL(__filename).href;' },
    define: {
      'import.meta.url': '__bundleUrl',
      'import.meta.dirname': '__dirname',
      'import.meta.filename': '__filename',
      NETOBSERV_BUILD: JSON.stringify(facts()),
    },
    plugins: [duckdbFromAssets, loadedWhenCalled, leanKubernetes],
    logLevel: 'warning',
  });
}

/** Compressed copies are kept by content, as libduckdb.so takes seconds and rarely changes. */
function compress(bytes: Uint8Array, sha256: string): string {
  const path = join(COMPRESSED, `${sha256}.${ZSTD_LEVEL}`);
  if (existsSync(path)) return path;
  mkdirSync(COMPRESSED, { recursive: true });
  const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL };
  writeFileSync(`${path}.new`, zstdCompressSync(bytes, { params }));
  renameSync(`${path}.new`, path);
  return path;
}

function compressAll(): Record<string, string> {
  const packed: Record<string, string> = {};
  const files: { path: string; sha256: string }[] = [];
  for (const [path, source] of Object.entries(assetFiles())) {
    const bytes = readFileSync(resolve(ROOT, source));
    const sha256 = hash('sha256', bytes);
    files.push({ path, sha256 });
    packed[path] = compress(bytes, sha256);
  }
  const contents: PackedManifest = { id: buildId(files), files };
  packed['manifest.json'] = join(WORK, 'manifest.json');
  writeFileSync(packed['manifest.json'], JSON.stringify(contents));
  return packed;
}

function fingerprint(files: readonly string[]): string {
  const sum = createHash('sha256').update(process.version);
  for (const file of files) sum.update(readFileSync(file));
  return sum.digest('hex');
}

async function pack(): Promise<void> {
  await buildAll();
  buildNative('release', ARCHITECTURE);
  mkdirSync(WORK, { recursive: true });
  const startMs = performance.now();
  const main = join(WORK, 'netobserv.cjs');
  await bundle('src/main.ts', main);
  await bundle('src/commands/up/console/worker.ts', CONSOLE_THREAD);
  asciiOnly(main);
  asciiOnly(CONSOLE_THREAD);
  const assets = compressAll();

  const stamp = join(WORK, 'stamp');
  const wanted = fingerprint([import.meta.filename, main, ...Object.values(assets)]);
  const fresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  if (fresh && existsSync(TARGET)) return;

  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  const seaConfig = {
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    // Compiled code belongs to the machine that compiled it: another machine compiles its own.
    useCodeCache: !isForeign(ARCHITECTURE),
    // The hot path makes almost no garbage, so a nursery of V8's default size would only touch more
    // memory: these options save 30 MB at 10k flows/s, at the same throughput. Options that change
    // how code is compiled, such as --optimize-for-size, would make the code cache useless. No
    // signal opens a debugger: anyone who reaches its port would gain this process's rights,
    // usually root.
    execArgv: ['--max-semi-space-size=1', '--single-threaded-gc', '--disable-sigusr1'],
    // NODE_OPTIONS in the environment are for other programs; see src/commands/environment.ts.
    execArgvExtension: 'none',
    assets,
  };
  pkgOptions.default.set({});
  const home = join(WORK, 'home');
  leanNode(home, ARCHITECTURE);
  process.env.HOME = home;
  await pkgSea.default(main, {
    targets: [
      {
        platform: 'linux',
        arch: ARCHITECTURE.name,
        nodeRange: `node${process.versions.node}`,
        output: `${TARGET}.new`,
      },
    ],
    seaConfig,
  });
  // By rename, so that a running copy is neither disturbed nor in the way.
  renameSync(`${TARGET}.new`, TARGET);
  writeFileSync(stamp, wanted);
  const megabytes = (statSync(TARGET).size / 1e6).toFixed(0);
  console.log(`${NAME}: ${megabytes} MB, packed in ${seconds(performance.now() - startMs)}`);
}

await pack();
