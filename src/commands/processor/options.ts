import { agentOptions } from '../../agent/config.ts';
import type { Configured, Option } from '../../config/options.ts';

const { logLevel, pprofAddr } = agentOptions;

/** The options around a pipeline; a pipeline's file has them under the names of `FILE_KEYS`. */
export const processorOptions = {
  logLevel,
  healthAddr: {
    ...pprofAddr,
    env: 'HEALTH_ADDR',
    describe: 'address for /live and /ready, for example :8080; empty: none',
  } satisfies Option<unknown>,
  pprofAddr,
};

export type ProcessorConfig = Configured<typeof processorOptions>;

/** Keys of flowlogs-pipeline's file, and its flags, by the option's flag. */
export const FILE_KEYS: Readonly<Record<string, string>> = {
  'log-level': 'log-level',
  healthAddr: 'health-addr',
  pprofAddr: 'pprof-addr',
};

/** Parts of the file that a flag of the same name replaces, as JSON or YAML. */
export const PART_FLAGS = [
  'pipeline',
  'parameters',
  'metricsSettings',
  'dynamicParameters',
] as const;
