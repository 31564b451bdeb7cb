import { defineErrors } from '../../base/errors.ts';

export const PBFLOW_ERRORS = defineErrors('ERR_CODEC_PBFLOW', {
  address: {
    kind: 'data',
    meaning: 'An IP address in a message has neither 4 nor 16 bytes.',
    remedy: 'Check the sender; the record is damaged.',
  },
});
