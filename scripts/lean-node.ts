import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Architecture, isForeign } from './architectures.ts';
import { npmPackage } from './npm-packages.ts';
import { run } from './steps.ts';

/**
 * Variables that Node reads before any of our code runs: it refuses to start, makes folders, writes
 * profiles, loads engines. src/commands/environment.ts removes the others.
 */
const MINDED_EARLY = [
  'NODE_COMPILE_CACHE',
  'NODE_REPL_EXTERNAL_MODULE',
  'NODE_V8_COVERAGE',
  'OPENSSL_CONF',
];

/**
 * Node without its symbol table (a seventh of its size, used only by native debuggers) and without
 * the names of some variables. It is placed where pkg, with `home` as the home, looks for a Node
 * that it has downloaded before: pkg would run a Node passed to it to get its version, which fails
 * here for another architecture.
 */
export function leanNode(home: string, architecture: Architecture): void {
  const name = `node-${process.version}-linux-${architecture.name}`;
  const archive = join(home, '.pkg-cache/sea', `${name}.tar.gz`);
  const path = join(dirname(archive), name, 'bin/node');
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  // pkg does not check the archive itself; the other two files say that both have been checked.
  for (const mark of [archive, `${archive}.ok`, `${path}.ok`]) writeFileSync(mark, '');
  copyFileSync(nodeOf(architecture), `${path}.new`);
  run(isForeign(architecture) ? `${architecture.triple}-strip` : 'strip', [`${path}.new`]);
  const bytes = readFileSync(`${path}.new`);
  for (const variable of MINDED_EARLY) blankName(bytes, variable);
  writeFileSync(`${path}.new`, bytes);
  renameSync(`${path}.new`, path);
}

/** The version of Node that runs this script, which makes the content that is put into it. */
function nodeOf(architecture: Architecture): string {
  if (!isForeign(architecture)) return process.execPath;
  const folder = npmPackage(`node-linux-${architecture.name}`);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  if (version !== process.versions.node) {
    throw new Error(`npm has Node ${version} for ${architecture.name}, this is ${process.version}`);
  }
  return join(folder, 'bin/node');
}

/**
 * Turns a C string into the empty name, which no variable has. It follows the end of another
 * string, on arm64 after more zeros up to a multiple of eight; the same text in V8's snapshot
 * follows its four-byte length.
 */
export function blankName(bytes: Buffer, name: string): void {
  const text = `\0${name}\0`;
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    if (bytes.readUInt32LE(at - 3) !== name.length) places.push(at + 1);
  }
  if (places.length !== 1) {
    throw new Error(`${name} is ${places.length} times among the strings of ${process.version}`);
  }
  bytes[places[0]!] = 0;
}
