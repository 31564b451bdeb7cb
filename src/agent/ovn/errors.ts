/** Codes of this folder. */
export const OVN_ERRORS = {
  /** The collector set that samples are to be sent to is in use by another program. */
  collector: 'ERR_OVN_COLLECTOR',
  /** Open vSwitch has no integration bridge to take samples from. */
  bridge: 'ERR_OVN_BRIDGE',
} as const;
