import { type Static, Type } from 'typebox';
import { strictObject } from '../../config/schema.ts';
import { optionalText } from './field.ts';

function accepted(description: string) {
  return Type.Optional(Type.Unknown({ description: description }));
}

const DynamicParameters = strictObject(
  {
    namespace: optionalText('Namespace of the ConfigMap.'),
    name: optionalText('Name of the ConfigMap. Empty: there is none.'),
    fileName: optionalText(
      'Key of the ConfigMap with the parameters: YAML or JSON with the list `parameters`.',
    ),
    kubeConfigPath: optionalText(
      'Path of a kubeconfig file. Empty: KUBECONFIG, ~/.kube/config, or the pod’s account.',
    ),
  },
  {
    description:
      'ConfigMap with further parameters. A processor looks at it, and at its own file, every 15 ' +
      'seconds, and goes over to what has changed between two batches, whichever stages that are; ' +
      'flowlogs-pipeline changes filters, subnet labels and metrics. An agent does not read it.',
  },
);

export type DynamicParameters = Static<typeof DynamicParameters>;

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
  k8scache: accepted(
    'Server on which informers push the cluster: address, port, tls-enabled, tls-cert-path, ' +
      'tls-key-path, tls-ca-path. With a port, a processor does not read the API.',
  ),
  perfSettings: accepted('Sizes of queues and batches.'),
  dynamicParameters: Type.Optional(DynamicParameters),
} as const;
