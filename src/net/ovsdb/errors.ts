import { defineErrors } from '../../base/errors.ts';

export const OVSDB_ERRORS = defineErrors('ERR_OVSDB', {
  message: {
    kind: 'data',
    meaning: 'The database server sent something that is not JSON, or a message that is too long.',
    remedy: 'Check that the socket belongs to ovsdb-server.',
  },
  refused: {
    kind: 'unavailable',
    meaning: 'The database server answered a request with an error.',
    remedy: 'Read the error in the message; check the version of Open vSwitch.',
  },
  connection: {
    kind: 'unavailable',
    meaning: 'The database server cannot be reached, hung up, or did not answer in time.',
    remedy:
      'Check that ovsdb-server runs and that its socket is accessible; the program tries again.',
  },
});
