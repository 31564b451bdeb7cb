/** Capabilities that something here may need, by their number (linux/capability.h). */
export const CAPABILITIES = {
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYSLOG: 34,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

export type Capability = keyof typeof CAPABILITIES;

/** To load the datapath and attach it in the own network namespace. */
export const NEEDED_TO_START: readonly Capability[] = ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'];

/**
 * To go on once everything is loaded: interfaces come and go, in namespaces that come and go. No
 * namespace is entered without CAP_SYS_ADMIN, so it is not given up by whoever has it.
 */
export const NEEDED_TO_RUN: readonly Capability[] = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN'];
