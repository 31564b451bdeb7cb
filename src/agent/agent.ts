import type { Clock } from '../base/clock.ts';
import type { Component } from '../base/component.ts';
import type { HealthState } from '../telemetry/health.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { AccountingView } from './drain/accounting.ts';
import type { Vitals } from './drain/vitals.ts';
import type { InterfaceRow } from './interfaces/row.ts';
import type { Native } from './loader/native.ts';
import type { FeatureStatus } from './loader/probes.ts';
import type { Capability } from './privileges.ts';
import type { AgentReadiness } from './readiness.ts';

/** Watches interfaces with eBPF and hands on flows or packets. */
export interface Agent extends Component {
  status(): AgentStatus;
  readiness(): AgentReadiness;
  /** Not alive: it does not recover by itself. */
  liveness(): HealthState;
  /** Hands over, at once, everything that was counted before the call. */
  drainNow(): Promise<void>;
  /** The capabilities that it still needs after the start. */
  capabilities(): readonly Capability[];
}

export interface AgentStatus {
  readonly interfaces: readonly InterfaceRow[];
  /** The features that were requested. */
  readonly features: readonly FeatureStatus[];
  /** Undefined before the datapath is loaded. */
  readonly accounting: AccountingView | undefined;
  /** Undefined while it does not run. */
  readonly vitals: Vitals | undefined;
}

/** Dependencies of every agent, whether it counts flows or captures packets. */
export interface CommonAgentDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly native: Native;
  /** Bytes of the compiled datapath, flows.bpf.o. */
  readonly object: Uint8Array;
  /** Folder of named network namespaces; default /var/run/netns. */
  readonly namespaceDirectory?: string;
  /** Directory in which the kernel shows processes; default /proc. */
  readonly processDirectory?: string;
  /** Returns this many unpredictable bytes; default: the machine's generator. */
  readonly secret?: (bytes: number) => Uint8Array;
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly kernelMonotonicMs?: () => number;
  /**
   * A person waits at a terminal: the start fails if none of INTERFACES exists, which is probably a
   * typo. Otherwise the agent warns and waits for them. Default false.
   */
  readonly isInteractive?: boolean;
}
