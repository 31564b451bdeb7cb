import { defineErrors } from '../base/errors.ts';

export const TELEMETRY_ERRORS = {
  ...defineErrors('ERR_TELEMETRY', {
    metricDuplicate: {
      kind: 'usage',
      meaning:
        'Two metrics have the same name, because of equal prefixes or a metric in the configuration.',
      remedy: 'Choose another name or prefix.',
    },
    listen: {
      kind: 'unavailable',
      meaning: 'The metrics or profile server cannot listen on its address.',
      remedy: 'Choose a free port and an address of this machine.',
    },
    tls: {
      kind: 'usage',
      meaning:
        'The certificate or key of a server cannot be read, is not valid PEM, or the two do not ' +
        'belong together.',
      remedy: 'Correct the paths or the files.',
    },
    token: {
      kind: 'usage',
      meaning: 'The file with the token for readers of metrics cannot be read, or has none.',
      remedy:
        'Write one line of 16 to 4096 printable ASCII characters into it, such as the output of ' +
        '`openssl rand -hex 32`.',
    },
  }),
  ...defineErrors('ERR', {
    output: {
      kind: 'unavailable',
      meaning: 'The file behind standard output or standard error cannot be written now.',
      remedy: 'Free space on its disk, or write to another file.',
    },
    file: {
      kind: 'usage',
      meaning:
        'A file that is read whole (a certificate, a key, a token) is too large, or is a pipe ' +
        'without contents.',
      remedy: 'Correct the path; write to the pipe before or soon after the start.',
    },
  }),
};
