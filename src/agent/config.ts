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

/** Where 0 has no meaning of its own it is the default, as with the original and its libraries. */
const COUNT = { min: 1, max: 2 ** 31 - 1, zeroIsDefault: true };
const COUNT_OR_OFF = { min: 0, max: 2 ** 31 - 1 };
const PORT = { min: 1, max: 65_535, zeroIsDefault: true };
const PORT_OR_NONE = { min: 0, max: 65_535 };

/** A name or an address; one of IPv6 may be in brackets, as before a port. */
function host(env: string, describe: string): Option<string> {
  return { ...text(env, '', describe), parse: (value) => /^\[(.+)\]$/.exec(value)?.[1] ?? value };
}

const identity = {
  agentIp: text('AGENT_IP', '', 'address to report as the agent’s; empty: found by AGENT_IP_IFACE'),
  agentIpIface: text(
    'AGENT_IP_IFACE',
    'external',
    'where the agent’s address is taken from: external, local or name:INTERFACE',
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
    'watch interfaces with an address in these CIDRs; not together with INTERFACES',
  ),
  listenInterfaces: choice(
    'LISTEN_INTERFACES',
    ['watch', 'poll'],
    'watch',
    'how changes of interfaces are noticed',
    { otherwise: 'watch' },
  ),
  listenPollPeriodMs: duration('LISTEN_POLL_PERIOD', '10s', 'period of LISTEN_INTERFACES=poll'),
  listenContainersPeriodMs: duration(
    'LISTEN_CONTAINERS_PERIOD',
    '5s',
    'period of looking for containers whose network namespace has no name; 0: never',
  ),
  direction: choice(
    'DIRECTION',
    ['both', 'ingress', 'egress'],
    'both',
    'direction of the traffic to look at',
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
    'place among other TCX programs, ingress; behind one that decides about packets, they are not seen',
    { otherwise: 'head' },
  ),
  tcxAttachAnchorEgress: choice(
    'TCX_ATTACH_ANCHOR_EGRESS',
    ['none', 'head', 'tail'],
    'head',
    'place among other TCX programs, egress; behind one that decides about packets, they are not seen',
    { otherwise: 'head' },
  ),
  preferredInterfaceForMacPrefix: list(
    'PREFERRED_INTERFACE_FOR_MAC_PREFIX',
    '',
    'MAC-PREFIX=INTERFACE, …: which interface it is when several have one number and the kernel (before 6.2) does not tell their namespaces',
  ),
};

const pprofAddr: Option<ListenAddress | ''> = {
  env: 'PPROF_ADDR',
  type: 'string',
  describe: 'serve profiles of the program on HOST:PORT, or :PORT for all addresses; empty: do not',
  fallback: '',
  parse: parseListen,
  wanted: 'HOST:PORT, such as localhost:6060, or :6060',
};

const cache = {
  cacheMaxFlows: integer(
    'CACHE_MAX_FLOWS',
    5000,
    'flows that the kernel holds between drains; below 10000, it has room for ten times as many, ' +
      'up to 10000, lest it fills while it is emptied',
    { min: 1, max: 2 ** 24, zeroIsDefault: true },
  ),
  cacheActiveTimeoutMs: duration('CACHE_ACTIVE_TIMEOUT', '5s', 'period of the drains'),
  cacheIdleTimeoutMs: duration(
    'CACHE_IDLE_TIMEOUT',
    '2s',
    'a flow without packets for so long when it is drained is reported as idle; 0: none is',
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
    'not needed: buffers are reused between drains',
  ),
  enableFlowsRingbufFallback: flag(
    'ENABLE_FLOWS_RINGBUF_FALLBACK',
    false,
    'not needed: a map that fills is drained early, and what is lost is counted',
  ),
  sampling: integer('SAMPLING', 0, 'look at 1 packet in this many; 0 or 1: all', {
    min: 0,
    max: 2 ** 32 - 1,
  }),
  logLevel: choice(
    'LOG_LEVEL',
    ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic'],
    'info',
    'how much is logged',
    { otherwise: 'info' },
  ),
  flowFilterRules: structured(
    'FLOW_FILTER_RULES',
    'which packets are looked at: JSON, "action=Reject port=22; port=80", or @FILE; see filters.md',
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
    'where an agent on its own sends flows; `up` keeps them in its process',
  ),
  exportBlankFlows: flag(
    'EXPORT_BLANK_FLOWS',
    false,
    'gRPC and Kafka: send flows without packets, too, of which only fields of ours tell anything, ' +
      'such as queries that nobody answered',
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
    'private enterprise number under which IPFIX sends what IANA has no element for; 0: not sent',
    { min: 0, max: 2 ** 32 - 1 },
  ),
  ipfixShortTcpFlags: flag(
    'IPFIX_SHORT_TCP_FLAGS',
    false,
    'TCP flags in one octet: nfacctd reads no other; readers built on go-ipfix fail on it',
  ),
  ipfixOptions: flag(
    'IPFIX_OPTIONS',
    true,
    'tell the rate of SAMPLING in options records, too; readers built on go-ipfix stop at them',
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
    'do not wait for a request before the next; with KAFKA_ACKS=all they follow each other',
  ),
  kafkaAcks: choice(
    'KAFKA_ACKS',
    ['all', 'leader', 'none'],
    'all',
    'whose acknowledgement is awaited; with all, what is sent again is stored once',
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
  enablePktDrops: flag('ENABLE_PKT_DROPS', false, 'packets dropped by the kernel, and why'),
  pktDropsOfOthers: flag(
    'PKT_DROPS_OF_OTHERS',
    false,
    'frames for other hosts that the kernel throws away are drops, too',
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
    'bytes of a captured packet that are kept; 0: all, up to 64 KiB',
    { min: 0, max: 65_664 },
  ),
  pcaMessageMaxPackets: integer(
    'PCA_MESSAGE_MAX_PACKETS',
    1,
    'packets in one message to the collector; the original’s collectors expect one',
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
    'bytes of plain text that OpenSSL sends and receives; only lengths are read',
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
  metricsPrefix: text('METRICS_PREFIX', 'ebpf_agent_', 'prefix of the metrics’ names'),
};

/** Every environment variable of the agent; defaults are those of the original. */
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

/** Old names, which the configuration loader forwards with a warning. */
export const agentDeprecations = {
  FLOWS_TARGET_HOST: 'TARGET_HOST',
  FLOWS_TARGET_PORT: 'TARGET_PORT',
  PCA_SERVER_PORT: 'TARGET_PORT',
} as const;
