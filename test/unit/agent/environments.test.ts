import { describe, expect, test } from 'vitest';
import { checkAgentConfig, checkCaptureConfig } from '../../../src/agent/check.ts';
import { kafkaOptionsOf } from '../../../src/agent/export/kafka-config.ts';
import { agentConfig } from '../../support/processes/agent-host.ts';

type Environment = Readonly<Record<string, string>>;

/** The variables that `network-observability-operator` writes for any FlowCollector. */
const OPERATOR: Environment = {
  AGENT_IP: '10.0.0.7',
  DNS_TRACKING_PORT: '53',
  NETWORK_EVENTS_MONITORING_GROUP_ID: '10',
  PREFERRED_INTERFACE_FOR_MAC_PREFIX: '0a:58=eth0',
  TC_ATTACH_MODE: 'tcx',
  GOMEMLIMIT: '754974720',
};

/** The defaults of its FlowCollector. */
const SAMPLE: Environment = {
  ...OPERATOR,
  CACHE_ACTIVE_TIMEOUT: '15s',
  CACHE_MAX_FLOWS: '120000',
  LOG_LEVEL: 'info',
  EXCLUDE_INTERFACES: 'lo',
  SAMPLING: '50',
  METRICS_ENABLE: 'true',
  METRICS_SERVER_PORT: '9400',
  METRICS_PREFIX: 'netobserv_agent_',
};

const GRPC: Environment = {
  EXPORT: 'grpc',
  TARGET_HOST: 'flowlogs-pipeline.netobserv.svc.cluster.local.',
  TARGET_PORT: '2055',
  GRPC_RECONNECT_TIMER: '5m',
  GRPC_RECONNECT_TIMER_RANDOMIZATION: '30s',
};

const KAFKA: Environment = {
  EXPORT: 'kafka',
  KAFKA_BROKERS: 'kafka-cluster-kafka-bootstrap.netobserv',
  KAFKA_TOPIC: 'network-flows',
  KAFKA_BATCH_SIZE: '1048576',
  KAFKA_BATCH_MESSAGES: '10485',
};

const KAFKA_SECURED: Environment = {
  ...KAFKA,
  KAFKA_ENABLE_TLS: 'true',
  KAFKA_TLS_INSECURE_SKIP_VERIFY: 'false',
  KAFKA_TLS_CA_CERT_PATH: '/var/kafka-certs-ca/ca.crt',
  KAFKA_TLS_USER_CERT_PATH: '',
  KAFKA_TLS_USER_KEY_PATH: '',
  KAFKA_ENABLE_SASL: 'true',
  KAFKA_SASL_TYPE: 'scramSHA512',
  KAFKA_SASL_CLIENT_ID_PATH: 'var/kafka-sasl-id/id',
  KAFKA_SASL_CLIENT_SECRET_PATH: 'var/kafka-sasl-secret/secret',
};

const FEATURES: Environment = Object.fromEntries(
  ['RTT', 'PKT_DROPS', 'DNS_TRACKING', 'NETWORK_EVENTS_MONITORING', 'UDN_MAPPING']
    .concat(['PKT_TRANSLATION', 'IPSEC_TRACKING', 'TLS_TRACKING'])
    .map((name) => [`ENABLE_${name}`, 'true']),
);

const OPERATOR_RULES = JSON.stringify([
  { ip_cidr: '0.0.0.0/0', action: 'Accept', protocol: 'TCP', port_range: '80-100', sample: 10 },
  { ip_cidr: '10.128.0.0/14', action: 'Reject', direction: 'Egress', peer_cidr: '172.30.0.0/16' },
  { ip_cidr: 'fd00::/8', action: 'Accept', protocol: 'ICMPv6', icmp_type: 128, drops: true },
]);

/** The only filter of FlowCollectors without `rules`; its ports are a text with a range. */
const ONE_FILTER: Environment = {
  FLOW_FILTER_RULES: JSON.stringify([
    {
      ...{ ip_cidr: '0.0.0.0/0', action: 'Accept', protocol: 'TCP', direction: 'Ingress' },
      ...{ ports: '80-90,443', port_range: '80-90,443', tcp_flags: 'SYN-ACK' },
      ...{ peer_ip: '10.0.0.1', peer_cidr: '10.0.0.0/8', sample: 2 },
    },
  ]),
};

const GO_DURATIONS: Environment = {
  CACHE_ACTIVE_TIMEOUT: '1m0s',
  STALE_ENTRIES_EVICT_TIMEOUT: '1.5s',
  LISTEN_POLL_PERIOD: '1h0m0s',
  GRPC_RECONNECT_TIMER: '+5m',
  GRPC_RECONNECT_TIMER_RANDOMIZATION: '.5m',
};

/** The variables from the manifests of `network-observability-cli` without any option. */
const CLI: Environment = {
  CACHE_ACTIVE_TIMEOUT: '1s',
  METRICS_ENABLE: 'false',
  LOG_LEVEL: 'info',
  FLOW_FILTER_RULES: '[]\n',
  TC_ATTACH_MODE: 'any',
  EXPORT: 'direct-flp',
  FLP_CONFIG: '{}\n',
};

const CLI_FLOWS: Environment = {
  ...CLI,
  INTERFACES: '',
  EXCLUDE_INTERFACES: 'lo',
  PREFERRED_INTERFACE_FOR_MAC_PREFIX: '0a:58=eth0',
  SAMPLING: '1',
  ...Object.fromEntries(Object.keys(FEATURES).map((name) => [name, 'false'])),
};

/** A rule that it writes after `--port=8080 or --protocol=ICMPv6`. */
const CLI_RULE = {
  ...{ direction: '', ip_cidr: '0.0.0.0/0', protocol: '', source_port: 0, destination_port: 0 },
  ...{ port: 0, source_port_range: '', source_ports: '', destination_port_range: '' },
  ...{ destination_ports: '', port_range: '', ports: '', icmp_type: 0, icmp_code: 0 },
  ...{ peer_ip: '', peer_cidr: '', action: 'Accept', tcp_flags: '', drops: false },
};
const CLI_RULES = JSON.stringify([
  { ...CLI_RULE, port: 8080 },
  { ...CLI_RULE, protocol: 'ICMPv6' },
]);

describe('environments of others start the agent as they are', () => {
  test.each<readonly [string, Environment]>([
    ['the operator, without an agent section', { ...OPERATOR, ...GRPC }],
    ['the operator, sampled', { ...SAMPLE, ...GRPC }],
    ['the operator, with all features', { ...SAMPLE, ...GRPC, ...FEATURES }],
    ['the operator, interfaces', { ...SAMPLE, ...GRPC, INTERFACES: 'eth0,/^ens/' }],
    [
      'the operator, filtered',
      { ...SAMPLE, ...GRPC, ...FEATURES, FLOW_FILTER_RULES: OPERATOR_RULES },
    ],
    ['the operator, an old cluster', { ...SAMPLE, ...GRPC, TC_ATTACH_MODE: 'tc' }],
    ['the operator, a manager', { ...SAMPLE, ...GRPC, EBPF_PROGRAM_MANAGER_MODE: 'true' }],
    ['the operator, verbose', { ...SAMPLE, ...GRPC, LOG_LEVEL: 'trace' }],
    ['an older operator', { ...SAMPLE, EXPORT: 'grpc', FLOWS_TARGET_HOST: '10.0.0.7' }],
    ['the operator, durations as Go prints them', { ...SAMPLE, ...GRPC, ...GO_DURATIONS }],
    ['the operator, another period', { ...SAMPLE, ...GRPC, GRPC_RECONNECT_TIMER: '10s' }],
    ['the operator, IPv6', { ...SAMPLE, ...GRPC, AGENT_IP: 'fd00::7', TARGET_HOST: 'fd00::7' }],
    ['the operator, patient', { ...SAMPLE, ...GRPC, TC_ATTACH_RETRIES: '1000' }],
    ['the operator, one filter', { ...SAMPLE, ...GRPC, ENABLE_FLOW_FILTER: 'true', ...ONE_FILTER }],
    ['the operator, a library', { ...SAMPLE, ...GRPC, OPENSSL_PATH: '/usr/lib64/libssl.so.3' }],
    ['somebody who writes Go', { ...SAMPLE, ...GRPC, ENABLE_RTT: 'T', ENABLE_PKT_DROPS: 'TRUE' }],
    ['somebody who leaves blanks', { ...SAMPLE, ...GRPC, INTERFACES: ' , ', INTERFACE_IPS: ',' }],
    [
      'somebody who writes patterns of Go',
      { ...SAMPLE, ...GRPC, INTERFACES: '/(?i)^ETH[[:digit:]]+$/,/\\Aens\\z/' },
    ],
    ['the command line', CLI_FLOWS],
    ['the command line, filtered', { ...CLI_FLOWS, FLOW_FILTER_RULES: CLI_RULES }],
    ['the command line, metrics', { ...CLI_FLOWS, CACHE_ACTIVE_TIMEOUT: '5s' }],
  ])('%s', (_who, env) => {
    expect(checkAgentConfig(agentConfig(env))).toEqual([]);
  });

  test.each<readonly [string, Environment]>([
    ['the operator, Kafka', { ...SAMPLE, ...KAFKA }],
    [
      'the operator, Kafka without an agent section',
      { ...OPERATOR, ...KAFKA, KAFKA_BATCH_SIZE: '0', KAFKA_BATCH_MESSAGES: '0' },
    ],
    [
      'the operator, Kafka with small batches',
      { ...SAMPLE, ...KAFKA, KAFKA_BATCH_SIZE: '99', KAFKA_BATCH_MESSAGES: '0' },
    ],
    ['the operator, Kafka by TLS and SASL', { ...SAMPLE, ...KAFKA_SECURED }],
  ])('%s', (_who, env) => {
    const config = agentConfig(env);
    expect(checkAgentConfig(config)).toEqual([]);
    expect(kafkaOptionsOf(config).brokers).toEqual([`${KAFKA.KAFKA_BROKERS}:9092`]);
    expect(config.kafkaBatchMessages).toBeGreaterThan(0);
    expect(config.kafkaBatchSizeBytes).toBeGreaterThan(0);
  });

  test('the command line, packets', () => {
    const env = { ...CLI, ENABLE_PCA: 'true', FLOW_FILTER_RULES: CLI_RULES };
    expect(checkCaptureConfig(agentConfig(env))).toEqual([
      'CACHE_ACTIVE_TIMEOUT has no effect with ENABLE_PCA',
    ]);
  });
});
