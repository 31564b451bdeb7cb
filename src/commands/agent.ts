import { agentDeprecations, agentOptions } from '../agent/config.ts';
import { withFeatures } from '../agent/features/choose.ts';
import { aborted } from '../base/aborted.ts';
import { createLog } from '../telemetry/log.ts';
import { logNodeWarnings } from '../telemetry/warnings.ts';
import { loadNative } from './assets.ts';
import { assertCanCapture, readHostFile } from './capabilities.ts';
import type { Command } from './command.ts';
import { growthAfter, runToEnd } from './daemon/ends.ts';
import { runComponents } from './daemon/lifecycle.ts';
import { featureOptions } from './features.ts';
import { addOptions, readConfig } from './options.ts';

const options = { ...featureOptions, ...agentOptions };

/** Options that `--help` describes; only `--help-all` describes the others. */
const AGENT_COMMON: readonly (keyof typeof options)[] = [
  'export',
  'targetHost',
  'targetPort',
  'targetTlsCaCertPath',
  'features',
  'interfaces',
  'excludeInterfaces',
  'direction',
  'sampling',
  'cacheActiveTimeoutMs',
  'cacheMaxFlows',
  'metricsEnable',
  'logLevel',
];

/** A standalone agent that sends its flows away: what the `netobserv-ebpf-agent` container runs. */
export const agent: Command = {
  builder: (yargs, context) =>
    addOptions(yargs, options, AGENT_COMMON, context)
      .example('netobserv agent --target-host collector --target-port 2055', 'pbflow over gRPC')
      .example('netobserv agent --export stdout', 'a line of JSON for each flow'),

  async handler(flags, context) {
    const loaded = await readConfig(options, flags, context, agentDeprecations);
    const { warnings } = loaded;
    const config = withFeatures(loaded.config, loaded.config.features);
    assertCanCapture(readHostFile, process.execPath, config.ebpfProgramManagerMode);
    const { clock, env, stdout, stderr } = context;
    const log = createLog(config.logLevel, stderr);
    logNodeWarnings(log, process);
    for (const warning of warnings) log.warn(warning);
    const native = loadNative(env);
    return runToEnd(context, native, async (stop) => {
      const { createAgentHost } = await import('./agent/host.ts');
      const host = await createAgentHost(config, { log, clock, env, stdout, stderr, native });
      const lost = growthAfter(stop.signal, () => host.lostFlows());
      await runComponents(host.components, { stop, log, health: host.health }, async () => {
        log.info({ export: config.export }, 'agent is up');
        await aborted(stop.signal);
      });
      return lost();
    });
  },
};
