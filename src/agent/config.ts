import { type ListenAddress, parseListen } from '../base/listen.ts';
import {
  type Configured,
  choice,
  duration,
  flag,
  integer,
  list,
  type Option,
  structured,
  text,
} from '../config/options.ts';
import { parseFilterRules } from './filters/parse.ts';

/** 0 means the default where it has no other meaning, as in netobserv-ebpf-agent. */
const COUNT = { min: 1, max: 2 ** 31 - 1, zeroIsDefault: true };
const COUNT_OR_OFF = { min: 0, max: 2 ** 31 - 1 };
const PORT = { min: 1, max: 65_535, zeroIsDefault: true };
const PORT_OR_NONE = { min: 0, max: 65_535 };

/** A name or an address. An IPv6 address may be in brackets, as before a port. */
function host(env: string, describe: string): Option<string> {
  return { ...text(env, '', describe), parse: (value) => /^\[(.+)\]$/.exec(value)?.[1] ?? value };
}

const identity = {
  agentIp: text(
    'AGENT_IP',
    '',
    'address to report as the agent’s; empty: taken from AGENT_IP_IFACE',
  ),
  agentIpIface: text(
    'AGENT_IP_IFACE',
    'external',
    'source of the agent’s address: external, local or name:INTERFACE',
  ),
  agentIpType: choice(
    'AGENT_IP_TYPE',
    ['any', 'ipv4', 'ipv6'],
    'any',
    'family of the agent’s address',
  ),
};

const interfaces = {
  interfaces: list('INTERFACES', '', 'interfaces to watch, names or /regex/; empty: all'),
  excludeInterfaces: list(
    'EXCLUDE_INTERFACES',
    'lo',
    'interfaces to leave alone, names or /regex/; wins over INTERFACES',
  ),
  interfaceIps: list(
    'INTERFACE_IPS',
    '',
    'watch interfaces with an address in these CIDRs; excludes INTERFACES',
  ),
  listenInterfaces: choice(
    'LISTEN_INTERFACES',
    ['watch', 'poll'],
    'watch',
    'method of noticing changes of interfaces',
    { otherwise: 'watch' },
  ),
  listenPollPeriodMs: duration('LISTEN_POLL_PERIOD', '10s', 'period of LISTEN_INTERFACES=poll'),
  listenContainersPeriodMs: duration(
    'LISTEN_CONTAINERS_PERIOD',
    '5s',
    'period of the search for containers whose network namespace has no name; 0: never',
  ),
  direction: choice(
    'DIRECTION',
    ['both', 'ingress', 'egress'],
    'both',
    'direction of the traffic to watch',
    { otherwise: 'both' },
  ),
  tcAttachMode: choice(
    'TC_ATTACH_MODE',
    ['tcx', 'tc', 'any'],
    'tcx',
    'tcx (tc on kernels without it), tc, or any: tcx once, then tc once',
    { otherwise: 'any' },
  ),
  tcAttachRetries: integer(
    'TC_ATTACH_RETRIES',
    4,
    'attempts to attach to an interface; not used by TC_ATTACH_MODE=any',
    COUNT,
  ),
  tcxAttachAnchorIngress: choice(
    'TCX_ATTACH_ANCHOR_INGRESS',
    ['none', 'head', 'tail'],
    'head',
    'position among other TCX programs, ingress; programs before this one may hide packets from it',
    { otherwise: 'head' },
  ),
  tcxAttachAnchorEgress: choice(
    'TCX_ATTACH_ANCHOR_EGRESS',
    ['none', 'head', 'tail'],
    'head',
    'position among other TCX programs, egress; programs before this one may hide packets from it',
    { otherwise: 'head' },
  ),
  preferredInterfaceForMacPrefix: list(
    'PREFERRED_INTERFACE_FOR_MAC_PREFIX',
    '',
    'MAC-PREFIX=INTERFACE, …: name of the interface if several have the same number and the kernel (before 6.2) does not report their namespaces',
  ),
};

const pprofAddr: Option<ListenAddress | ''> = {
  env: 'PPROF_ADDR',
  type: 'string',
  describe:
    'serve profiles of the program on HOST:PORT, or :PORT for all addresses; empty: no server',
  fallback: '',
  parse: parseListen,
  wanted: 'HOST:PORT, such as localhost:6060, or :6060',
};

const cache = {
  cacheMaxFlows: integer(
    'CACHE_MAX_FLOWS',
    5000,
    'flows that the kernel keeps between drains; values below 10000 are raised (at most tenfold), ' +
      'so that the map does not overflow while it is drained',
    { min: 1, max: 2 ** 24, zeroIsDefault: true },
  ),
  cacheActiveTimeoutMs: duration('CACHE_ACTIVE_TIMEOUT', '5s', 'period of the drains'),
  cacheIdleTimeoutMs: duration(
    'CACHE_IDLE_TIMEOUT',
    '2s',
    'flows without packets for this time are reported as idle when drained; 0: never',
  ),
  staleEntriesEvictTimeoutMs: duration(
    'STALE_ENTRIES_EVICT_TIMEOUT',
    '5s',
    'age at which unanswered DNS queries count as lost',
  ),
  buffersLength: integer('BUFFERS_LENGTH', 50, 'batches that may wait between two stages', COUNT),
  exporterBufferLength: integer(
    'EXPORTER_BUFFER_LENGTH',
    0,
    'batches that may wait for the exporter; 0: BUFFERS_LENGTH',
    COUNT_OR_OFF,
  ),
  forceGarbageCollection: flag(
    'FORCE_GARBAGE_COLLECTION',
    true,
    'has no effect: buffers are reused between drains',
  ),
  enableFlowsRingbufFallback: flag(
    'ENABLE_FLOWS_RINGBUF_FALLBACK',
    false,
    'has no effect: a map that fills is drained early, and losses are counted',
  ),
  sampling: integer('SAMPLING', 0, 'watch 1 packet in this many; 0 or 1: all', {
    min: 0,
    max: 2 ** 32 - 1,
  }),
  logLevel: choice(
    'LOG_LEVEL',
    ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic'],
    'info',
    'least level of messages that are logged',
    { otherwise: 'info' },
  ),
  flowFilterRules: structured(
    'FLOW_FILTER_RULES',
    'rules that select packets: JSON, "action=Reject port=22; port=80", or @FILE; see filters.md',
    (rules) => {
      const { problems, ...parsed } = parseFilterRules(rules);
      return problems.length > 0 ? { problems } : { value: parsed.rules };
    },
  ),
  pprofAddr,
};

const exporting = {
  export: choice(
    'EXPORT',
    ['grpc', 'kafka', 'ipfix+udp', 'ipfix+tcp', 'direct-flp', 'stdout'],
    'grpc',
    'destination of the flows of `agent`; `up` keeps them in its process',
  ),
  exportBlankFlows: flag(
    'EXPORT_BLANK_FLOWS',
    false,
    'gRPC and Kafka: also send flows without packets, such as unanswered DNS queries; only fields ' +
      'that netobserv-ebpf-agent lacks describe them',
  ),
  targetHost: host('TARGET_HOST', 'host of the collector'),
  targetPort: integer('TARGET_PORT', 0, 'port of the collector', PORT_OR_NONE),
  targetTlsCaCertPath: text('TARGET_TLS_CA_CERT_PATH', '', 'CA certificate of the collector'),
  targetTlsUserCertPath: text('TARGET_TLS_USER_CERT_PATH', '', 'client certificate'),
  targetTlsUserKeyPath: text('TARGET_TLS_USER_KEY_PATH', '', 'key of the client certificate'),
  grpcMessageMaxFlows: integer('GRPC_MESSAGE_MAX_FLOWS', 10_000, 'flows in one message', COUNT),
  grpcReconnectTimerMs: duration('GRPC_RECONNECT_TIMER', '0', 'period of reconnecting; 0: never'),
  grpcReconnectTimerRandomizationMs: duration(
    'GRPC_RECONNECT_TIMER_RANDOMIZATION',
    '0',
    'jitter of GRPC_RECONNECT_TIMER',
  ),
  ipfixEnterpriseNumber: integer(
    'IPFIX_ENTERPRISE_NUMBER',
    0,
    'private enterprise number of the IPFIX elements that IANA lacks; 0: they are not sent',
    { min: 0, max: 2 ** 32 - 1 },
  ),
  ipfixShortTcpFlags: flag(
    'IPFIX_SHORT_TCP_FLAGS',
    false,
    'send TCP flags in one octet: nfacctd requires it; readers built on go-ipfix fail on it',
  ),
  ipfixOptions: flag(
    'IPFIX_OPTIONS',
    true,
    'also send the rate of SAMPLING in options records; readers built on go-ipfix stop at them',
  ),
  flpConfig: text('FLP_CONFIG', '', 'pipeline of EXPORT=direct-flp, YAML or JSON'),
};

const kafka = {
  kafkaBrokers: list(
    'KAFKA_BROKERS',
    '',
    'brokers, HOST:PORT or HOST; the port is 9092 unless given',
  ),
  kafkaTopic: text('KAFKA_TOPIC', 'network-flows', 'topic'),
  kafkaBatchMessages: integer('KAFKA_BATCH_MESSAGES', 1000, 'messages in one request', COUNT),
  kafkaBatchSizeBytes: integer('KAFKA_BATCH_SIZE', 1_048_576, 'bytes in one request', COUNT),
  kafkaAsync: flag(
    'KAFKA_ASYNC',
    true,
    'send a request before the last one is answered; has no effect with KAFKA_ACKS=all',
  ),
  kafkaAcks: choice(
    'KAFKA_ACKS',
    ['all', 'leader', 'none'],
    'all',
    'brokers that acknowledge a request; with all, repeated messages are stored once',
  ),
  kafkaCompression: choice(
    'KAFKA_COMPRESSION',
    ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    'none',
    'compression of messages',
  ),
  kafkaEnableTls: flag('KAFKA_ENABLE_TLS', false, 'connect by TLS'),
  kafkaTlsInsecureSkipVerify: flag(
    'KAFKA_TLS_INSECURE_SKIP_VERIFY',
    false,
    'do not check the brokers’ certificates',
  ),
  kafkaTlsCaCertPath: text('KAFKA_TLS_CA_CERT_PATH', '', 'CA certificate of the brokers'),
  kafkaTlsUserCertPath: text('KAFKA_TLS_USER_CERT_PATH', '', 'client certificate'),
  kafkaTlsUserKeyPath: text('KAFKA_TLS_USER_KEY_PATH', '', 'key of the client certificate'),
  kafkaEnableSasl: flag('KAFKA_ENABLE_SASL', false, 'log in by SASL'),
  kafkaSaslType: choice('KAFKA_SASL_TYPE', ['plain', 'scramSHA512'], 'plain', 'SASL mechanism'),
  kafkaSaslClientIdPath: text('KAFKA_SASL_CLIENT_ID_PATH', '', 'file with the user’s name'),
  kafkaSaslClientSecretPath: text('KAFKA_SASL_CLIENT_SECRET_PATH', '', 'file with the password'),
};

const features = {
  enableRtt: flag('ENABLE_RTT', false, 'TCP round-trip times'),
  enablePktDrops: flag('ENABLE_PKT_DROPS', false, 'packets dropped by the kernel, with the reason'),
  pktDropsOfOthers: flag(
    'PKT_DROPS_OF_OTHERS',
    false,
    'also count frames for other hosts, which the kernel discards, as drops',
  ),
  enableTcpHealth: flag(
    'ENABLE_TCP_HEALTH',
    false,
    'TCP retransmissions, resets, failed connects, closed windows and handshake times',
  ),
  enableProcesses: flag('ENABLE_PROCESSES', false, 'process, control group and container'),
  tunnelInnerFlows: flag('TUNNEL_INNER_FLOWS', false, 'flows inside of VXLAN and Geneve tunnels'),
  tunnelVxlanPorts: list('TUNNEL_VXLAN_PORTS', '4789,8472', 'UDP ports of VXLAN, up to 4'),
  tunnelGenevePorts: list('TUNNEL_GENEVE_PORTS', '6081', 'UDP ports of Geneve, up to 4'),
  enableDnsTracking: flag('ENABLE_DNS_TRACKING', false, 'DNS names, answers and latencies'),
  enablePca: flag('ENABLE_PCA', false, 'capture packets that FLOW_FILTER_RULES accept, not flows'),
  pcaSnapLength: integer(
    'PCA_SNAP_LENGTH',
    0,
    'bytes kept of a captured packet; 0: all, up to 64 KiB',
    { min: 0, max: 65_664 },
  ),
  pcaMessageMaxPackets: integer(
    'PCA_MESSAGE_MAX_PACKETS',
    1,
    'packets in one message to the collector; NetObserv’s collectors expect one',
    { min: 1, max: 4096, zeroIsDefault: true },
  ),
  enableNetworkEventsMonitoring: flag(
    'ENABLE_NETWORK_EVENTS_MONITORING',
    false,
    'network policy events of OVN',
  ),
  enablePktTranslation: flag('ENABLE_PKT_TRANSLATION', false, 'addresses after translation'),
  enableUdnMapping: flag('ENABLE_UDN_MAPPING', false, 'user-defined networks of OVN'),
  enableIpsecTracking: flag('ENABLE_IPSEC_TRACKING', false, 'outcome of IPsec'),
  enableOpensslTracking: flag(
    'ENABLE_OPENSSL_TRACKING',
    false,
    'bytes of plain text that OpenSSL sends and receives; contents are not read',
  ),
  enableTlsTracking: flag('ENABLE_TLS_TRACKING', false, 'TLS versions, ciphers and groups'),
  dnsTrackingPort: integer('DNS_TRACKING_PORT', 53, 'another port that carries DNS', PORT),
  networkEventsMonitoringGroupId: integer(
    'NETWORK_EVENTS_MONITORING_GROUP_ID',
    10,
    'psample group of network events',
    { min: 0, max: 255 },
  ),
  opensslPath: text('OPENSSL_PATH', '/usr/bin/openssl', 'library or program with OpenSSL in it'),
  quicTrackingMode: integer('QUIC_TRACKING_MODE', 0, '0: off, 1: port 443, 2: any UDP', {
    min: 0,
    max: 2,
  }),
  ebpfProgramManagerMode: flag(
    'EBPF_PROGRAM_MANAGER_MODE',
    false,
    'programs are loaded and attached by bpfman',
  ),
  bpfmanBpfFsPath: text('BPFMAN_BPF_FS_PATH', '/run/netobserv/maps', 'folder of pinned maps'),
};

const telemetry = {
  metricsEnable: flag('METRICS_ENABLE', false, 'serve metrics of the program itself'),
  metricsLevel: choice(
    'METRICS_LEVEL',
    ['info', 'debug', 'trace!'],
    'info',
    'labels of interface events: info none, debug retries, trace! all',
  ),
  metricsServerAddress: host('METRICS_SERVER_ADDRESS', 'address to serve metrics on; empty: all'),
  metricsServerPort: integer('METRICS_SERVER_PORT', 9090, 'port to serve metrics on', PORT),
  metricsTlsCertPath: text('METRICS_TLS_CERT_PATH', '', 'certificate of the metrics server'),
  metricsTlsKeyPath: text('METRICS_TLS_KEY_PATH', '', 'key of that certificate'),
  metricsTokenPath: text(
    'METRICS_TOKEN_PATH',
    '',
    'file with a token that readers of /metrics must send; read again when it changes',
  ),
  metricsPrefix: text('METRICS_PREFIX', 'ebpf_agent_', 'prefix of the metrics’ names'),
};

/**
 * Every environment variable of the agent. Names and defaults are those of netobserv-ebpf-agent.
 * This is a contract: it imports nothing from the agent except the format of filter rules.
 */
export const agentOptions = {
  ...identity,
  ...interfaces,
  ...cache,
  ...exporting,
  ...kafka,
  ...features,
  ...telemetry,
} as const;

export type AgentConfig = Configured<typeof agentOptions>;

/** Deprecated names. The configuration loader accepts them with a warning. */
export const agentDeprecations = {
  FLOWS_TARGET_HOST: 'TARGET_HOST',
  FLOWS_TARGET_PORT: 'TARGET_PORT',
  PCA_SERVER_PORT: 'TARGET_PORT',
} as const;
