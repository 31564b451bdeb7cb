import { Type } from 'typebox';

function accepted(description: string) {
  return Type.Optional(Type.Unknown({ description: description }));
}

/**
 * Keys of flowlogs-pipeline's file that configure the program around the pipeline. A processor
 * reads some of them (commands/processor/options.ts). An agent has its own options for these: its
 * FLP_CONFIG may have the keys, but their values are not read.
 */
export const programKeys = {
  'log-level': accepted('How much is logged.'),
  health: accepted('Server of health checks, in the form of old releases.'),
  healthAddr: accepted('Address of the server of health checks.'),
  profile: accepted('Server of profiles, in the form of old releases.'),
  pprofAddr: accepted('Address of the server of profiles.'),
  k8scache: accepted('Server that receives the state of the cluster.'),
  perfSettings: accepted('Sizes of queues and batches.'),
  dynamicParameters: accepted('ConfigMap with parameters that may change at run time.'),
} as const;
