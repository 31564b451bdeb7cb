import { defineErrors } from '../base/errors.ts';

export const KUBE_ERRORS = defineErrors('ERR_KUBE', {
  config: {
    kind: 'usage',
    meaning: 'There is no usable kubeconfig, and the program does not run in a pod.',
    remedy: 'Set kubeConfig.configPath or KUBECONFIG, or mount the token of a service account.',
  },
  connect: {
    kind: 'unavailable',
    meaning: 'The Kubernetes API cannot be reached, or the connection broke.',
    remedy: 'Check the address and the network; the program tries again, and keeps what it knows.',
  },
  refused: {
    kind: 'unavailable',
    meaning: 'The Kubernetes API refused a request.',
    remedy: 'Read the status in the message; 401 and 403 need a role with list and watch.',
  },
  expired: {
    kind: 'unavailable',
    meaning: 'The Kubernetes API no longer has the version of a list at which a watch went on.',
    remedy: 'Nothing: the program lists again.',
  },
  answer: {
    kind: 'data',
    meaning: 'An answer of the Kubernetes API is not what its documentation says.',
    remedy: 'Check that the address is that of an API server, and not of a proxy.',
  },
  configMap: {
    kind: 'usage',
    meaning: 'A ConfigMap lacks the key that is read from it.',
    remedy: 'Correct dynamicParameters.fileName, or add the key to the ConfigMap.',
  },
  processor: {
    kind: 'unavailable',
    meaning: 'A processor does not take the state of the cluster that informers send.',
    remedy: 'Read the reason in the message; the program tries again, with a snapshot.',
  },
  update: {
    kind: 'data',
    meaning: 'Informers sent a message that cannot be applied.',
    remedy: 'Check that both programs speak the protocol k8scache; they begin anew by themselves.',
  },
  objectTooLarge: {
    kind: 'limit',
    meaning: 'An object of Kubernetes is larger than the program reads. It is left out.',
    remedy: 'Make the object smaller; API servers store at most 1.5 MiB.',
  },
});
