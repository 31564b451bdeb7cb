import { defineErrors } from '../base/errors.ts';

export const DELIVER_ERRORS = defineErrors('ERR_DELIVER', {
  output: {
    kind: 'unavailable',
    meaning: 'Flows cannot be written to standard output, or nobody reads it.',
    remedy: 'Check the program or the file that standard output goes to.',
  },
});
