import { defineErrors } from '../../base/errors.ts';

export const OVN_ERRORS = defineErrors('ERR_OVN', {
  collector: {
    kind: 'unavailable',
    meaning: 'Another program uses the collector set that samples are sent to.',
    remedy: 'Stop the other program, or choose another collector set.',
  },
  bridge: {
    kind: 'unavailable',
    meaning: 'Open vSwitch has no integration bridge to take samples from.',
    remedy: 'Check that OVN is installed on this host.',
  },
});
