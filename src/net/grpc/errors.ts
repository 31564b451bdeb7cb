import { defineErrors } from '../../base/errors.ts';

export const GRPC_ERRORS = defineErrors('ERR_NET_GRPC', {
  tls: {
    kind: 'usage',
    meaning: 'A certificate or key for a gRPC connection cannot be read or is not valid PEM.',
    remedy: 'Correct the path or the file; the certificate and its key must belong together.',
  },
  unavailable: {
    kind: 'unavailable',
    meaning: 'The gRPC server cannot be reached, is busy, or the connection broke.',
    remedy: 'Check that the server runs and that the address is right; the program tries again.',
  },
  refused: {
    kind: 'unavailable',
    meaning: 'The gRPC server refused the call.',
    remedy: 'Read the status in the message; check that the server offers this service.',
  },
  tooLarge: {
    kind: 'limit',
    meaning: 'A message is larger than the gRPC server accepts.',
    remedy: 'Send fewer flows per message, or raise the limit of the server.',
  },
  timeout: {
    kind: 'unavailable',
    meaning: 'The gRPC server did not answer before the deadline. The message may have arrived.',
    remedy: 'Check the load of the server and of the network.',
  },
  listen: {
    kind: 'usage',
    meaning: 'A gRPC server cannot listen on its address.',
    remedy: 'Choose another port, or end the program that uses it; the cause is in the message.',
  },
  closed: {
    kind: 'internal',
    meaning: 'A call was made before the client was opened or after it was closed.',
    remedy: 'Please report it as a bug.',
  },
});
