import { NetobservError } from '../base/errors.ts';
import { parseAddress, parseCidr } from '../base/ip.ts';
import type { Option } from '../config/options.ts';
import { type AgentConfig, agentOptions } from './config.ts';
import { config as layout } from './drain/layout.gen.ts';
import { AGENT_ERRORS } from './errors.ts';
import { FEATURES } from './features/table.ts';
import { parseMacPreference } from './interfaces/mac-preference.ts';
import { parseNameRule } from './interfaces/rules.ts';

type Key = keyof AgentConfig;

/** Flows are correct but poorer without these: a warning names what is missing. */
const IGNORED: readonly (readonly [Key, string])[] = [
  ['enableFlowsRingbufFallback', 'a map that fills is drained early instead'],
  ['forceGarbageCollection', 'buffers are reused between drains'],
];

/** Options that only a standalone agent, which sends its flows away, uses. */
const EXPORT_ONLY: readonly Key[] = [
  'export',
  'exportBlankFlows',
  'targetHost',
  'targetPort',
  'targetTlsCaCertPath',
  'targetTlsUserCertPath',
  'targetTlsUserKeyPath',
  'grpcMessageMaxFlows',
  'grpcReconnectTimerMs',
  'grpcReconnectTimerRandomizationMs',
  'ipfixEnterpriseNumber',
  'ipfixShortTcpFlags',
  'ipfixOptions',
  'flpConfig',
  'buffersLength',
  'exporterBufferLength',
  'kafkaBrokers',
  'kafkaTopic',
  'kafkaBatchMessages',
  'kafkaBatchSizeBytes',
  'kafkaAsync',
  'kafkaAcks',
  'kafkaCompression',
  'kafkaEnableTls',
  'kafkaTlsInsecureSkipVerify',
  'kafkaTlsCaCertPath',
  'kafkaTlsUserCertPath',
  'kafkaTlsUserKeyPath',
  'kafkaEnableSasl',
  'kafkaSaslType',
  'kafkaSaslClientIdPath',
  'kafkaSaslClientSecretPath',
];

/** Options besides features that a packet capture does not use. */
const FLOWS_ONLY: readonly Key[] = [
  'agentIp',
  'agentIpIface',
  'agentIpType',
  'cacheMaxFlows',
  'cacheActiveTimeoutMs',
  'cacheIdleTimeoutMs',
  'staleEntriesEvictTimeoutMs',
  'preferredInterfaceForMacPrefix',
  'grpcMessageMaxFlows',
];

/** Shortest drain period: below it, the kernel spends more time in grace periods than at work. */
const ACTIVE_TIMEOUT_MIN_MS = 10;
const POLL_PERIOD_MIN_MS = 100;
const CONTAINERS_PERIOD_MIN_MS = 100;

const PORT_MAX = 65_535;
/** Limit from bpf/types.h. */
const TUNNEL_PORTS_MAX = layout.vxlanPortsMax;

/**
 * Checks what a single value cannot show. Throws a coded error that names the variable; returns one
 * warning for each option that was set and has no effect.
 */
export function checkAgentConfig(config: AgentConfig): readonly string[] {
  checkWatching(config);
  checkAddress(config);
  checkFilters(config);
  checkPorts(config, 'tunnelVxlanPorts');
  checkPorts(config, 'tunnelGenevePorts');
  atLeast(config, 'cacheActiveTimeoutMs', ACTIVE_TIMEOUT_MIN_MS);
  return ignoredWarnings(config);
}

function ignoredWarnings(config: AgentConfig): readonly string[] {
  return IGNORED.filter(([key]) => !isDefault(config, key)).map(
    ([key, what]) => `${option(key).env} has no effect: ${what}`,
  );
}

/** One warning for each option that was set and has no effect where flows are not sent away. */
export function exportOptionWarnings(config: AgentConfig): readonly string[] {
  return EXPORT_ONLY.filter((key) => !isDefault(config, key)).map(
    (key) => `${option(key).env} has no effect here: flows stay in this process`,
  );
}

/** Checks for agents that count flows and for packet captures. */
function checkWatching(config: AgentConfig): void {
  checkInterfaces(config);
  if (config.listenInterfaces === 'poll') {
    atLeast(config, 'listenPollPeriodMs', POLL_PERIOD_MIN_MS);
  }
  if (config.listenContainersPeriodMs !== 0) {
    atLeast(config, 'listenContainersPeriodMs', CONTAINERS_PERIOD_MIN_MS);
  }
}

function checkInterfaces(config: AgentConfig): void {
  if (config.interfaces.length > 0 && config.interfaceIps.length > 0) {
    throw refuse('INTERFACE_IPS', 'cannot be used together with INTERFACES: give only one of them');
  }
  for (const key of ['interfaces', 'excludeInterfaces'] as const) {
    for (const text of config[key]) {
      const rule = parseNameRule(text);
      if (typeof rule === 'string') throw refuse(option(key).env, rule);
    }
  }
  for (const text of config.interfaceIps) {
    if (parseCidr(text) === undefined) {
      throw refuse('INTERFACE_IPS', `"${text}" is not a CIDR, such as 10.0.0.0/8 or fd00::/8`);
    }
  }
  for (const text of config.preferredInterfaceForMacPrefix) {
    const preference = parseMacPreference(text);
    if (typeof preference === 'string') {
      throw refuse('PREFERRED_INTERFACE_FOR_MAC_PREFIX', preference);
    }
  }
}

function checkPorts(config: AgentConfig, key: 'tunnelVxlanPorts' | 'tunnelGenevePorts'): void {
  const ports = config[key];
  const { env } = option(key);
  if (ports.length > TUNNEL_PORTS_MAX) {
    throw refuse(env, `has ${ports.length} ports: give up to ${TUNNEL_PORTS_MAX}`);
  }
  for (const text of ports) {
    const isPort = /^\d+$/.test(text) && Number(text) > 0 && Number(text) <= PORT_MAX;
    if (!isPort) throw refuse(env, `"${text}" is not a port: give numbers from 1 to ${PORT_MAX}`);
  }
}

function checkAddress(config: AgentConfig): void {
  if (config.agentIp !== '' && parseAddress(config.agentIp) === undefined) {
    throw refuse('AGENT_IP', `"${config.agentIp}" is no IPv4 or IPv6 address`);
  }
  if (!/^(external|local|name:.+)$/.test(config.agentIpIface)) {
    throw refuse(
      'AGENT_IP_IFACE',
      `"${config.agentIpIface}" is none of external, local, name:INTERFACE`,
    );
  }
}

/** Checks options that an agent for flows does not support; a capture has its own checks. */
export function checkFlowsConfig(config: AgentConfig): void {
  if (!config.enablePca) return;
  throw new NetobservError(
    AGENT_ERRORS.unsupported,
    'ENABLE_PCA captures packets instead of flows: run netobserv agent',
    { details: { variable: 'ENABLE_PCA' } },
  );
}

/** Throws a coded error; returns one warning for each option that was set and has no effect. */
export function checkCaptureConfig(config: AgentConfig): readonly string[] {
  const { flowFilterRules } = config;
  if (flowFilterRules === undefined) {
    throw refuse('FLOW_FILTER_RULES', 'says what ENABLE_PCA captures, such as "port=80"');
  }
  if (config.ebpfProgramManagerMode) {
    throw refuse('ENABLE_PCA', 'takes programs that this one loads: no EBPF_PROGRAM_MANAGER_MODE');
  }
  if (flowFilterRules.some(({ drops }) => drops)) {
    throw refuse('FLOW_FILTER_RULES', 'a rule has "drops", which a capture of packets cannot know');
  }
  checkWatching(config);
  const features = FEATURES.filter((feature) => feature.isOn(config));
  const options = FLOWS_ONLY.filter((key) => !isDefault(config, key));
  const unused = [
    ...features.map(({ variable }) => variable),
    ...options.map((key) => option(key).env),
  ];
  return [
    ...unused.map((variable) => `${variable} has no effect with ENABLE_PCA`),
    ...ignoredWarnings(config),
    ...(flowFilterRules.length === 0 ? ['FLOW_FILTER_RULES is empty: nothing is captured'] : []),
  ];
}

function checkFilters({
  flowFilterRules,
  enablePktDrops,
  ebpfProgramManagerMode,
}: AgentConfig): void {
  if (ebpfProgramManagerMode && (flowFilterRules ?? []).length > 0) {
    throw refuse(
      'FLOW_FILTER_RULES',
      'has no effect with EBPF_PROGRAM_MANAGER_MODE: the program manager sets the filters',
    );
  }
  if (enablePktDrops || flowFilterRules?.every(({ drops }) => !drops) !== false) return;
  throw refuse('FLOW_FILTER_RULES', 'a rule has "drops", which takes ENABLE_PKT_DROPS=true');
}

function atLeast(
  config: AgentConfig,
  key: 'cacheActiveTimeoutMs' | 'listenPollPeriodMs' | 'listenContainersPeriodMs',
  minMs: number,
): void {
  if (config[key] < minMs) throw refuse(option(key).env, `must be at least ${minMs}ms`);
}

function refuse(variable: string, what: string): NetobservError {
  return new NetobservError(AGENT_ERRORS.option, `${variable}: ${what}`, { details: { variable } });
}

function option(key: Key): Option<unknown> {
  return agentOptions[key];
}

function isDefault(config: AgentConfig, key: Key): boolean {
  const { fallback, parse } = option(key);
  const value = config[key];
  if (value === undefined) return true;
  if (Array.isArray(value)) return value.join(',') === fallback;
  return value === (fallback === '' ? '' : parse(fallback));
}
