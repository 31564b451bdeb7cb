import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRawAsset, isSea } from 'node:sea';
import { zstdDecompressSync } from 'node:zlib';
import type { Native } from '../agent/loader/native.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Component } from '../base/component.ts';
import { explain, hasCode, NetobservError } from '../base/errors.ts';
import { COMMAND_ERRORS } from './errors.ts';
import { withNamelessFile } from './nameless.ts';
import { markUsed, type UnpackDeps, unpackedFiles, writeBuild } from './unpack.ts';
import type { PackedManifest } from './unpacked.ts';
import type { ThreadCode } from './up/console/thread.ts';

/**
 * Locations of the program's own files: below `build/` when it runs from source, inside the
 * executable when it is packed. Libraries and the web front end are unpacked from there into a
 * private cache folder, because the loader and the file server need real files.
 */
type Environment = Readonly<Record<string, string | undefined>>;

/** Bytes of the datapath, `build/bpf/flows.bpf.o`. */
export function bpfObject(): Uint8Array {
  return isSea() ? packedBytes('bpf/flows.bpf.o') : readBuilt('bpf/flows.bpf.o');
}

const ADDON = 'native/netobserv.node';
const COUNTRIES = 'geo/countries.mmdb';

/**
 * The loaded N-API addon. An agent needs no other file, so one with a read-only root starts without
 * a folder to unpack into.
 */
export function loadNative(env: Environment): Native {
  const module = { exports: {} };
  const load = (path: string): void => process.dlopen(module, path);
  const path = addonPath(env);
  if (typeof path === 'string') load(path);
  else loadFromMemory(path, load);
  return module.exports as Native;
}

/** The addon's path, or the error that explains why there is none. */
function addonPath(env: Environment): string | NetobservError {
  try {
    return assetPath([ADDON], env);
  } catch (error) {
    if (error instanceof NetobservError && hasCode(error, COMMAND_ERRORS.assetCache)) return error;
    throw error;
  }
}

function loadFromMemory(refusal: NetobservError, load: (path: string) => void): void {
  const { sha256 } = packedManifest().files.find(({ path }) => path === ADDON)!;
  const bytes = packedBytes(ADDON);
  if (hash('sha256', bytes) !== sha256) {
    throw new NetobservError(COMMAND_ERRORS.asset, `${ADDON} in the executable is damaged`);
  }
  try {
    withNamelessFile(bytes, load);
  } catch (error) {
    const message = `${refusal.message}; ${explain(error)}`;
    throw new NetobservError(refusal.row, message, { details: refusal.details, cause: error });
  }
}

/** Code of the console's thread. */
export function consoleCode(): ThreadCode {
  if (!isSea()) return { code: new URL('./up/console/worker.ts', import.meta.url), isText: false };
  return { code: Buffer.from(packedBytes('threads/console.cjs')).toString('latin1'), isText: true };
}

/** Folder of the built web front end. */
export function webRoot(env: Environment): string {
  if (!isSea()) {
    readBuilt('web/index.html');
    return join(buildFolder(), 'web');
  }
  const pages = packedManifest().files.filter(({ path }) => path.startsWith('web/'));
  const index = assetPath(['web/index.html', ...pages.map(({ path }) => path)], env);
  return join(index, '..');
}

/** Countries by address, in MaxMind's format: data of the registries (NRO), under CC BY 4.0. */
export function countries(): Uint8Array {
  if (isSea()) return packedBytes(COUNTRIES);
  const require = createRequire(import.meta.url);
  return readFileSync(
    require.resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'),
  );
}

/**
 * Path of the first of some files that are needed together. The bundler makes the database's addon
 * load from here, too (see scripts/pack.ts).
 */
export function assetPath(paths: readonly string[], env: Environment): string {
  if (!isSea()) {
    for (const path of paths) readBuilt(path);
    return join(buildFolder(), paths[0]!);
  }
  return unpackedFiles(paths, unpackDeps(env, unpackInChild));
}

/** Unpacks everything in this process if it is missing; returns its folder. */
export function unpackAll(env: Environment): string {
  if (!isSea()) {
    throw new NetobservError(COMMAND_ERRORS.asset, 'only the packed executable can be unpacked');
  }
  const manifest = packedManifest();
  const write = (folder: string): void => writeBuild(folder, manifest, packedBytes);
  const paths = manifest.files.map(({ path }) => path);
  const first = unpackedFiles(paths, unpackDeps(env, write));
  return first.slice(0, -paths[0]!.length - 1);
}

/** How often a running process marks its unpacked files as in use. */
const IN_USE_PERIOD_MS = 3_600_000;

/** Keeps other builds from removing the files of this one for as long as it runs. */
export function keepUnpacked(env: Environment, clock: Clock): Component {
  let marking: Disposable | undefined;
  return {
    async start() {
      if (!isSea()) return;
      const { id } = packedManifest();
      const builds = cacheFolders(env).map((folder) => join(folder, id));
      marking = clock.every(IN_USE_PERIOD_MS, () => {
        for (const build of builds) markUsed(build, clock.nowMs());
      });
    },
    async stop() {
      marking?.[Symbol.dispose]();
    },
  };
}

function unpackDeps(env: Environment, write: UnpackDeps['write']): UnpackDeps {
  return {
    manifest: packedManifest(),
    write,
    folders: cacheFolders(env),
    uid: process.getuid?.() ?? 0,
    clock: systemClock,
  };
}

// The child frees its 90 MB when it ends; in this process they would stay in the heap.
function unpackInChild(folder: string): void {
  const env = { NETOBSERV_CACHE_DIR: folder };
  const child = spawnSync(process.execPath, ['unpack'], { env, encoding: 'utf8' });
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0) throw new Error(child.stderr.trim());
}

function cacheFolders(env: Environment): readonly string[] {
  const uid = process.getuid?.() ?? 0;
  if (env.NETOBSERV_CACHE_DIR !== undefined) return [env.NETOBSERV_CACHE_DIR];
  // Not os.homedir(), which throws without an /etc/passwd.
  const home = env.HOME === undefined ? [] : [join(env.HOME, '.cache', 'netobserv')];
  return [
    ...(uid === 0 ? ['/var/cache/netobserv'] : []),
    ...(env.XDG_CACHE_HOME === undefined ? home : [join(env.XDG_CACHE_HOME, 'netobserv')]),
    join(tmpdir(), `netobserv-${uid}`),
  ];
}

function packedManifest(): PackedManifest {
  const bytes = Buffer.from(getRawAsset('manifest.json'));
  return JSON.parse(bytes.toString('utf8')) as PackedManifest;
}

function packedBytes(path: string): Uint8Array {
  return zstdDecompressSync(new Uint8Array(getRawAsset(path)));
}

function buildFolder(): string {
  return join(import.meta.dirname, '..', '..', 'build');
}

function readBuilt(path: string): Uint8Array {
  try {
    return readFileSync(join(buildFolder(), path));
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT')) throw cause;
    throw new NetobservError(COMMAND_ERRORS.asset, `build/${path} is missing`, {
      details: { next: 'Run npm run build.' },
    });
  }
}
