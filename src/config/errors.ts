import { defineErrors } from '../base/errors.ts';

export const CONFIG_ERRORS = defineErrors('ERR_CONFIG', {
  invalid: {
    kind: 'usage',
    meaning: 'Options have wrong values or unknown names. The message lists all of them.',
    remedy: 'Correct each option as its line says.',
  },
  file: {
    kind: 'usage',
    meaning: 'A configuration file cannot be read, or a text is not one document of YAML or JSON.',
    remedy: 'Correct the path or, at the line in the message, the file.',
  },
});
