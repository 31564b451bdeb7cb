import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The repository; the scripts' paths are relative to it. */
export const ROOT = join(import.meta.dirname, '..');

/** One unit of the build: runs again only if its inputs have changed. */
export interface Step {
  readonly name: string;
  /** Input files and folders, relative to the root. */
  readonly inputs: readonly string[];
  /** Files that must exist afterwards; a step is skipped only if they do. */
  readonly outputs: readonly string[];
  run(): void | Promise<void>;
}

/** Runs a step if it is stale, and prints how long that took. A fresh step is silent. */
export async function runStep(step: Step): Promise<void> {
  const stamp = join(ROOT, 'build', 'stamps', step.name);
  const wanted = fingerprint(step.inputs);
  const complete = step.outputs.every((output) => existsSync(join(ROOT, output)));
  if (complete && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;

  const startMs = performance.now();
  await step.run();
  const missing = step.outputs.filter((output) => !existsSync(join(ROOT, output)));
  if (missing.length > 0) throw new Error(`${step.name}: did not write ${missing.join(', ')}`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
  console.log(`${step.name}: done in ${seconds(performance.now() - startMs)}`);
}

/** Content hash of files and folders; missing ones count as empty. */
export function fingerprint(inputs: readonly string[]): string {
  const hash = createHash('sha256');
  for (const path of inputs.flatMap((input) => filesBelow(input))) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update('\0');
  }
  return hash.digest('hex');
}

export function filesBelow(path: string): readonly string[] {
  const stat = statSync(join(ROOT, path), { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [path];
  return readdirSync(join(ROOT, path))
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

/** Runs a program of `node_modules/.bin` or of the system and shows its output. */
export function run(command: string, args: readonly string[]): void {
  const done = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: exit code ${done.status ?? done.signal}`);
  }
}

/** A program's standard output; undefined if it cannot be run or fails. */
export function output(command: string, args: readonly string[]): string | undefined {
  const done = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
  return done.error === undefined && done.status === 0 ? done.stdout.trim() : undefined;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
