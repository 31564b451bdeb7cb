import { agentDeprecations } from '../agent/config.ts';
import { withFeatures } from '../agent/features/choose.ts';
import { aborted } from '../base/aborted.ts';
import { createLog } from '../telemetry/log.ts';
import { logNodeWarnings } from '../telemetry/warnings.ts';
import { loadNative } from './assets.ts';
import { assertCanCapture, readHostFile } from './capabilities.ts';
import type { Command, CommandContext } from './command.ts';
import { growthAfter, runToEnd } from './daemon/ends.ts';
import { runComponents } from './daemon/lifecycle.ts';
import { addOptions, readConfig } from './options.ts';
import type { Host, UpHostDeps } from './up/host.ts';
import type { UpConfig } from './up/options.ts';
import { defaultDataDir, UP_COMMON, upOptions } from './up/options.ts';
import { showStatus } from './up/status-line.ts';
import { tokenPathOf } from './up/token-file.ts';

const IN_MEMORY = 'memory';

/** Everything on one host in one process: agent, pipeline, store, metrics and console. */
export const up: Command = {
  builder: (yargs, context) =>
    addOptions(yargs, upOptions, UP_COMMON, context)
      .example('netobserv up', 'all interfaces but lo; console on http://127.0.0.1:9001')
      .example("netobserv up --interfaces 'eth0,/^veth/'", 'names, or /regular expressions/')
      .example('netobserv up --listen :9001 --token-file token', 'for other machines, too')
      .example('netobserv up --netflow :2055 --sflow :6343', 'with flows of routers and switches'),

  async handler(flags, context) {
    const loaded = await readConfig(upOptions, flags, context, agentDeprecations);
    const { warnings, given } = loaded;
    const config = withFeatures(loaded.config, loaded.config.features);
    assertCanCapture(readHostFile, process.execPath, config.ebpfProgramManagerMode);
    // On a terminal, the status line shows that all is well; the log shows only problems.
    const quiet = context.stderr.isTTY === true && !given.has('logLevel');
    const log = createLog(quiet ? 'warn' : config.logLevel, context.stderr);
    logNodeWarnings(log, process);
    for (const warning of warnings) log.warn(warning);

    // Files written here are private to this user from the first byte on.
    process.umask(0o077);
    const dataDir = dataDirOf(config, context);
    const { clock, env, stderr } = context;
    const tokenPath = tokenPathOf(config.tokenFile, dataDir ?? defaultDataDir(env));
    const native = loadNative(env);
    return runToEnd(context, native, async (stop) => {
      // Loaded only when needed: `up --help` loads neither the database nor the console.
      const { createHost } = await import('./up/host.ts');
      const shared = { log, clock, env, dataDir, tokenPath, stderr, native };
      const host = await createHost(config, shared);
      const lost = growthAfter(stop.signal, () => host.lostFlows());
      await runComponents(host.components, { stop, log, health: host.health }, async () => {
        sayWhereItIs(host, config, { dataDir, tokenPath }, context);
        using _line = showHostStatus(host, context);
        await aborted(stop.signal);
      });
      return lost();
    });
  },
};

function sayWhereItIs(
  host: Host,
  config: UpConfig,
  { dataDir, tokenPath }: Pick<UpHostDeps, 'dataDir' | 'tokenPath'>,
  { stdout, stderr }: CommandContext,
): void {
  // A failed write is ignored: the console runs all the same.
  stdout.write(`netobserv is up: ${host.console.address().url}\n`, () => undefined);
  if (tokenPath === undefined) {
    stderr.write('every account of this host may use it; --token-file auto asks for a token\n');
  } else stderr.write(`it asks for the token in ${tokenPath}\n`);
  stderr.write(`${whereFlowsGo(config, dataDir)} · Ctrl-C to stop\n`);
}

function dataDirOf(config: UpConfig, context: CommandContext): string | undefined {
  if (config.data === IN_MEMORY) return undefined;
  return config.data === '' ? defaultDataDir(context.env) : config.data;
}

function whereFlowsGo(config: UpConfig, dataDir: string | undefined): string {
  const hours = Math.round(config.retentionMs / 3_600_000);
  return dataDir === undefined
    ? 'flows are kept in memory until this ends'
    : `flows are kept in ${dataDir} for ${hours} h`;
}

function showHostStatus({ agent, subscribe }: Host, { clock, stderr }: CommandContext): Disposable {
  return showStatus({
    clock,
    stderr,
    subscribe,
    interfaces: () => agent.status().interfaces.length,
    unrecordedPackets() {
      const unrecorded = agent.status().accounting?.unrecorded ?? {};
      return Object.entries(unrecorded)
        .filter(([reason]) => reason !== 'not_ip')
        .reduce((sum, [, amount]) => sum + amount.packets, 0);
    },
  });
}
