import { appendFileSync, existsSync } from 'node:fs';

/**
 * Reasons for which a suite cannot run here, given to `describe.skipIf`. scripts/test.ts names a
 * file for them in NETOBSERV_SKIPS and repeats them at its end. With CI=true skips are not allowed,
 * so the reasons are thrown instead.
 */
function unable(reason: string | undefined): boolean {
  if (reason === undefined) return false;
  if (process.env.CI === 'true') throw new Error(`CI=true and a suite cannot run: ${reason}`);
  console.warn(`skipped: ${reason}`);
  const file = process.env.NETOBSERV_SKIPS;
  if (file !== undefined) appendFileSync(file, `${reason}\n`);
  return true;
}

/** `describe.skipIf(requireRoot())`: attaching programs and making namespaces requires root. */
export function requireRoot(): boolean {
  return unable(process.getuid?.() === 0 ? undefined : 'not root');
}

/** A browser is too large for an npm package: the tests use the host's. */
export function requireBrowser(path: string): boolean {
  return unable(existsSync(path) ? undefined : `no browser at ${path}`);
}

/** A program of the host that a suite uses to set up the kernel. */
export function requireProgram(path: string): boolean {
  return unable(existsSync(path) ? undefined : `no ${path}`);
}

/**
 * Whether probes miss what happens in interrupts of the first process; test/vitest.config.ts
 * tells, since a test's own PID namespace has another first process.
 */
export function isInitHidden(): boolean {
  return process.env.NETOBSERV_INIT_HIDDEN === 'true';
}
