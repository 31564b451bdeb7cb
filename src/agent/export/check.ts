import { NetobservError } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { type AgentConfig, agentOptions } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';

type Key = keyof AgentConfig;

/** Throws when these options do not identify a collector; the error names the variable. */
export function checkTarget(config: AgentConfig): void {
  if (config.targetHost === '') {
    throw refuse('targetHost', 'not set: it is the name or the address of the collector');
  }
  if (config.targetPort === 0) {
    throw refuse('targetPort', 'not set: it is the port of the collector, from 1 to 65535');
  }
}

/** Throws when certificates are incomplete. */
export function checkTargetTls(config: AgentConfig): void {
  const { targetTlsCaCertPath, targetTlsUserCertPath, targetTlsUserKeyPath } = config;
  if ((targetTlsUserCertPath === '') !== (targetTlsUserKeyPath === '')) {
    const missing = targetTlsUserCertPath === '' ? 'targetTlsUserCertPath' : 'targetTlsUserKeyPath';
    throw refuse(missing, 'not set: certificate and key of a client go together');
  }
  if (targetTlsUserCertPath !== '' && targetTlsCaCertPath === '') {
    throw refuse('targetTlsCaCertPath', 'not set: without it the connection would be plain text');
  }
}

/**
 * Variation of the age of a connection. As in netobserv-ebpf-agent there is none if it would exceed
 * the age: the operator writes its 30 s regardless of the configured period.
 */
export function reconnectJitterMs(config: AgentConfig, log: Log): number {
  const { grpcReconnectTimerMs: periodMs, grpcReconnectTimerRandomizationMs: jitterMs } = config;
  if (periodMs === 0 || jitterMs < periodMs) return jitterMs;
  const { grpcReconnectTimerMs: period, grpcReconnectTimerRandomizationMs: jitter } = agentOptions;
  log.warn(
    { periodMs, jitterMs },
    `${jitter.env} has no effect: it is not less than ${period.env}`,
  );
  return 0;
}

export function refuse(key: Key, what: string): NetobservError {
  const { env } = agentOptions[key];
  return new NetobservError(AGENT_ERRORS.option, `${env}: ${what}`, { details: { variable: env } });
}
