import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { explain, NetobservError } from '../../base/errors.ts';
import { AGENT_ERRORS } from '../errors.ts';
import { readElf } from '../kernel/elf.ts';

/** The watched functions; those with `_ex` came with OpenSSL 1.1.1. */
const FUNCTIONS = ['SSL_read', 'SSL_write', 'SSL_read_ex', 'SSL_write_ex', 'SSL_free'] as const;

export type OpensslFunction = (typeof FUNCTIONS)[number];

export interface OpensslLibrary {
  readonly path: string;
  readonly functions: ReadonlySet<string>;
}

/** Folders searched besides the loader's configured ones; Debian's have the machine's name. */
const MACHINE = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
const LIBRARY_FOLDERS = [
  ...[`/lib/${MACHINE}`, `/usr/lib/${MACHINE}`],
  ...['/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'],
];
const LOADER_CONFIGURATION = '/etc/ld.so.conf';
/** Included configuration files may include others; nobody nests them deeper. */
const INCLUDE_DEPTH_MAX = 4;

/**
 * The file whose functions a program calls: the program itself, when it contains OpenSSL or is the
 * library, or else the libssl that it needs.
 */
export function findOpenssl(path: string): OpensslLibrary {
  const { functions, needed } = open(path);
  if (hasOpenssl(functions)) return { path, functions };
  const name = needed.find((each) => /^libssl\.so/.test(each));
  if (name === undefined) {
    throw notFound(path, 'it holds neither SSL_read and SSL_write nor needs a libssl');
  }
  for (const folder of [dirname(path), ...configuredFolders(), ...LIBRARY_FOLDERS]) {
    const library = join(folder, name);
    if (!existsSync(library)) continue;
    const found = open(library);
    if (hasOpenssl(found.functions)) return { path: library, functions: found.functions };
  }
  throw notFound(path, `it needs ${name}, which is in none of the folders of libraries`);
}

function open(path: string): ReturnType<typeof readElf> {
  try {
    return readElf(path, FUNCTIONS);
  } catch (cause) {
    throw notFound(path, explain(cause), cause);
  }
}

function hasOpenssl(functions: ReadonlySet<string>): boolean {
  return functions.has('SSL_read') && functions.has('SSL_write');
}

/** In their order, without folders that the loader chooses itself (hardware capabilities). */
function configuredFolders(file = LOADER_CONFIGURATION, depth = 0): readonly string[] {
  if (depth > INCLUDE_DEPTH_MAX || !existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .flatMap((line) => {
      if (line.startsWith('/')) return [line];
      const included = /^include\s+(\S+)$/.exec(line)?.[1];
      if (included === undefined) return [];
      return filesLike(resolve(dirname(file), included)).flatMap((each) =>
        configuredFolders(each, depth + 1),
      );
    });
}

/** Files that match a path with a `*` in its last part. */
function filesLike(pattern: string): readonly string[] {
  const folder = dirname(pattern);
  const [before = '', after = ''] = pattern.slice(folder.length + 1).split('*');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith(before) && name.endsWith(after))
    .sort()
    .map((name) => join(folder, name));
}

function notFound(path: string, why: string, cause?: unknown): NetobservError {
  return new NetobservError(
    AGENT_ERRORS.openssl,
    `OPENSSL_PATH: no OpenSSL to be found by ${path}: ${why}`,
    { cause, details: { variable: 'OPENSSL_PATH' } },
  );
}
