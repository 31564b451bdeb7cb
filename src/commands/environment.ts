import { isSea } from 'node:sea';

/**
 * Variables that change what Node itself does: it would load modules, write files, trust
 * certificates or skip checking them. They are meant for programs that people run with Node; this
 * program has options. NODE_OPTIONS has no effect in the packed executable anyway.
 */
const OF_NODE: ReadonlySet<string> = new Set([
  'NODE_CHANNEL_FD',
  'NODE_COMPILE_CACHE',
  'NODE_COMPILE_CACHE_PORTABLE',
  'NODE_DEBUG',
  'NODE_DEBUG_NATIVE',
  'NODE_EXTRA_CA_CERTS',
  'NODE_ICU_DATA',
  'NODE_NO_WARNINGS',
  'NODE_OPTIONS',
  'NODE_PATH',
  'NODE_PENDING_DEPRECATION',
  'NODE_PRESERVE_SYMLINKS',
  'NODE_PRESERVE_SYMLINKS_MAIN',
  'NODE_REDIRECT_WARNINGS',
  'NODE_REPL_EXTERNAL_MODULE',
  'NODE_TEST_CONTEXT',
  'NODE_TLS_REJECT_UNAUTHORIZED',
  'NODE_UNIQUE_ID',
  'NODE_USE_ENV_PROXY',
  'NODE_USE_SYSTEM_CA',
  'NODE_V8_COVERAGE',
  'OPENSSL_CONF',
  'OPENSSL_ENGINES',
  'OPENSSL_MODULES',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
  'UV_THREADPOOL_SIZE',
  'UV_USE_IO_URING',
  'WATCH_REPORT_DEPENDENCIES',
]);

/** The environment without Node's variables; undefined when it has none of them. */
export function withoutNodes(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv | undefined {
  const kept = Object.entries(env).filter(([name]) => !OF_NODE.has(name));
  return kept.length === Object.keys(env).length ? undefined : Object.fromEntries(kept);
}

/**
 * Restarts the packed executable without Node's variables, in the same process. Node reads most of
 * them before any code of ours runs, so unsetting them would be too late.
 */
export function startWithoutNodes(process: NodeJS.Process): void {
  const { env, execPath, argv } = process;
  const kept = isSea() ? withoutNodes(env) : undefined;
  if (kept !== undefined) process.execve?.(execPath, [argv[0]!, ...argv.slice(2)], kept);
}
