import { hostname } from 'node:os';
import { aborted } from '../base/aborted.ts';
import { createLog } from '../telemetry/log.ts';
import { logNodeWarnings } from '../telemetry/warnings.ts';
import { loadNative } from './assets.ts';
import type { Command } from './command.ts';
import { runToEnd } from './daemon/ends.ts';
import { runComponents } from './daemon/lifecycle.ts';
import { informersOptions } from './informers/options.ts';
import { addOptions, readConfig } from './options.ts';

const COMMON: readonly (keyof typeof informersOptions)[] = [
  'kubeconfig',
  'processorSelector',
  'processorPort',
  'processorServiceName',
  'enableLeaderElection',
  'trackedKinds',
  'healthPort',
  'metricsPort',
  'logLevel',
];

/** Reads the API for all processors: what the container of `flp-informers` runs. */
export const informers: Command = {
  builder: (yargs, context) =>
    addOptions(yargs, informersOptions, COMMON, context)
      .example(
        'netobserv informers --processor-selector app=netobserv --processor-port 9095',
        'for pods of: netobserv processor --k8scache.port 9095',
      )
      .example('FLP_INFORMERS_BATCH_SIZE=500 netobserv informers', 'as in flowlogs-pipeline'),

  async handler(flags, context) {
    const { config, warnings } = await readConfig(informersOptions, flags, context);
    const { clock, env, stderr } = context;
    const log = createLog(config.logLevel, stderr);
    logNodeWarnings(log, process);
    for (const warning of warnings) log.warn(warning);
    const native = loadNative(env);
    return runToEnd(context, native, async (stop) => {
      const { createInformersHost } = await import('./informers/host.ts');
      const deps = { log, clock, env, stderr, native, hostname: hostname() };
      const { components, health } = createInformersHost(config, deps);
      await runComponents(components, { stop, log, health }, async () => {
        log.info('informers are up');
        await aborted(stop.signal);
      });
      return 0;
    });
  },
};
