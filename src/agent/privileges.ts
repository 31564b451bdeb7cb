import type { AgentConfig } from './config.ts';

/** Capabilities that the agent may need, by number (linux/capability.h). */
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

/** Needed to load the datapath and attach it in the agent's own network namespace. */
export const NEEDED_TO_START: readonly Capability[] = ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'];

/**
 * Capabilities that an agent still needs once everything is loaded: interfaces and namespaces come
 * and go. Entering a namespace needs CAP_SYS_ADMIN, which is therefore kept if it was given.
 */
export function neededToRun({
  listenContainersPeriodMs,
}: Pick<AgentConfig, 'listenContainersPeriodMs'>): readonly Capability[] {
  const always = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN'] as const;
  // Containers are found through the namespaces of processes.
  return listenContainersPeriodMs > 0 ? [...always, 'CAP_SYS_PTRACE'] : always;
}
