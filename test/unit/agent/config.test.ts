import { expect, test } from 'vitest';
import {
  checkAgentConfig,
  checkCaptureConfig,
  checkFlowsConfig,
  exportOptionWarnings,
} from '../../../src/agent/check.ts';
import { agentDeprecations, agentOptions } from '../../../src/agent/config.ts';
import { featureNames, withFeatures } from '../../../src/agent/features/choose.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { agentConfig } from '../../support/processes/agent-host.ts';

/** Every variable of `netobserv-ebpf-agent` with its default, and our own; `-`: empty. */
const VARIABLES = `
AGENT_IP=- AGENT_IP_IFACE=external AGENT_IP_TYPE=any EXPORT=grpc TARGET_HOST=- TARGET_PORT=0
TARGET_TLS_CA_CERT_PATH=- TARGET_TLS_USER_CERT_PATH=- TARGET_TLS_USER_KEY_PATH=-
GRPC_MESSAGE_MAX_FLOWS=10000 GRPC_RECONNECT_TIMER=0 GRPC_RECONNECT_TIMER_RANDOMIZATION=0
FLP_CONFIG=- INTERFACES=- EXCLUDE_INTERFACES=lo INTERFACE_IPS=- LISTEN_INTERFACES=watch
LISTEN_POLL_PERIOD=10s LISTEN_CONTAINERS_PERIOD=5s
DIRECTION=both TC_ATTACH_MODE=tcx TC_ATTACH_RETRIES=4
TCX_ATTACH_ANCHOR_INGRESS=none TCX_ATTACH_ANCHOR_EGRESS=none
PREFERRED_INTERFACE_FOR_MAC_PREFIX=- CACHE_MAX_FLOWS=5000 CACHE_ACTIVE_TIMEOUT=5s
STALE_ENTRIES_EVICT_TIMEOUT=5s BUFFERS_LENGTH=50 EXPORTER_BUFFER_LENGTH=0
FORCE_GARBAGE_COLLECTION=true ENABLE_FLOWS_RINGBUF_FALLBACK=false SAMPLING=0 LOG_LEVEL=info
FLOW_FILTER_RULES=- PPROF_ADDR=- KAFKA_BROKERS=- KAFKA_TOPIC=network-flows
KAFKA_BATCH_MESSAGES=1000 KAFKA_BATCH_SIZE=1048576 KAFKA_ASYNC=true KAFKA_COMPRESSION=none
KAFKA_ENABLE_TLS=false KAFKA_TLS_INSECURE_SKIP_VERIFY=false KAFKA_TLS_CA_CERT_PATH=-
KAFKA_TLS_USER_CERT_PATH=- KAFKA_TLS_USER_KEY_PATH=- KAFKA_ENABLE_SASL=false
KAFKA_SASL_TYPE=plain KAFKA_SASL_CLIENT_ID_PATH=- KAFKA_SASL_CLIENT_SECRET_PATH=-
ENABLE_RTT=false ENABLE_PKT_DROPS=false ENABLE_DNS_TRACKING=false ENABLE_PCA=false
ENABLE_NETWORK_EVENTS_MONITORING=false ENABLE_PKT_TRANSLATION=false ENABLE_UDN_MAPPING=false
ENABLE_IPSEC_TRACKING=false ENABLE_OPENSSL_TRACKING=false ENABLE_TLS_TRACKING=false
DNS_TRACKING_PORT=53 NETWORK_EVENTS_MONITORING_GROUP_ID=10 OPENSSL_PATH=/usr/bin/openssl
QUIC_TRACKING_MODE=0 EBPF_PROGRAM_MANAGER_MODE=false BPFMAN_BPF_FS_PATH=/run/netobserv/maps
METRICS_ENABLE=false METRICS_LEVEL=info METRICS_SERVER_ADDRESS=- METRICS_SERVER_PORT=9090
METRICS_TLS_CERT_PATH=- METRICS_TLS_KEY_PATH=- METRICS_PREFIX=ebpf_agent_
PCA_SNAP_LENGTH=0 PCA_MESSAGE_MAX_PACKETS=1
CACHE_IDLE_TIMEOUT=2s ENABLE_TCP_HEALTH=false ENABLE_PROCESSES=false TUNNEL_INNER_FLOWS=false
TUNNEL_VXLAN_PORTS=4789,8472 TUNNEL_GENEVE_PORTS=6081
`;

/** Variables whose default differs on purpose: hooks behind a program that decides miss packets. */
const OWN_DEFAULTS = { TCX_ATTACH_ANCHOR_INGRESS: 'head', TCX_ATTACH_ANCHOR_EGRESS: 'head' };

test('every variable of the original is there, by its name and with its default', () => {
  const wanted = Object.fromEntries(
    VARIABLES.trim()
      .split(/\s+/)
      .map((pair) => pair.split('='))
      .map(([name, value]) => [name, value === '-' ? '' : value]),
  );
  const options = Object.values(agentOptions).map(({ env, fallback }) => [env, fallback]);
  expect(Object.fromEntries(options)).toMatchObject({ ...wanted, ...OWN_DEFAULTS });
});

test('units are those of the keys', () => {
  const config = agentConfig({ CACHE_ACTIVE_TIMEOUT: '1m30s', CACHE_MAX_FLOWS: '100' });
  expect(config.cacheActiveTimeoutMs).toBe(90_000);
  expect(config.cacheMaxFlows).toBe(100);
  expect(config.excludeInterfaces).toEqual(['lo']);
});

test('deprecated names are forwarded', () => {
  const env = { FLOWS_TARGET_HOST: 'collector', PCA_SERVER_PORT: '9990' };
  const { config, warnings } = loadConfig(agentOptions, { env, flags: {} }, agentDeprecations);
  expect(config.targetHost).toBe('collector');
  expect(config.targetPort).toBe(9990);
  expect(warnings).toHaveLength(2);
});

test('the defaults are right as they are', () => {
  expect(checkAgentConfig(agentConfig())).toEqual([]);
});

test.each([
  ['ERR_AGENT_OPTION', { INTERFACES: 'eth0', INTERFACE_IPS: '10.0.0.0/8' }, 'INTERFACE_IPS'],
  ['ERR_AGENT_OPTION', { INTERFACES: '/eth(/' }, 'INTERFACES'],
  ['ERR_AGENT_OPTION', { EXCLUDE_INTERFACES: '/[/' }, 'EXCLUDE_INTERFACES'],
  ['ERR_AGENT_OPTION', { INTERFACE_IPS: '10.0.0.0/33' }, 'INTERFACE_IPS'],
  ['ERR_AGENT_OPTION', { AGENT_IP: '10.0.0' }, 'AGENT_IP'],
  ['ERR_AGENT_OPTION', { AGENT_IP_IFACE: 'eth0' }, 'AGENT_IP_IFACE'],
  ['ERR_AGENT_OPTION', { CACHE_ACTIVE_TIMEOUT: '1ms' }, 'CACHE_ACTIVE_TIMEOUT'],
  [
    'ERR_AGENT_OPTION',
    { LISTEN_INTERFACES: 'poll', LISTEN_POLL_PERIOD: '0' },
    'LISTEN_POLL_PERIOD',
  ],
  ['ERR_AGENT_OPTION', { FLOW_FILTER_RULES: 'drops=true' }, 'FLOW_FILTER_RULES'],
  ['ERR_AGENT_OPTION', { LISTEN_CONTAINERS_PERIOD: '50ms' }, 'LISTEN_CONTAINERS_PERIOD'],
  ['ERR_AGENT_OPTION', { TUNNEL_VXLAN_PORTS: '4789,0' }, 'TUNNEL_VXLAN_PORTS'],
  ['ERR_AGENT_OPTION', { TUNNEL_GENEVE_PORTS: '1,2,3,4,5' }, 'TUNNEL_GENEVE_PORTS'],
  ['ERR_AGENT_OPTION', { LISTEN_CONTAINERS_PERIOD: '50ms' }, 'LISTEN_CONTAINERS_PERIOD'],
])('%s for %o', (code, env, variable) => {
  const config = agentConfig(env as Readonly<Record<string, string>>);
  expect(() => checkAgentConfig(config)).toThrow(
    expect.objectContaining({
      code,
      message: expect.stringContaining(variable),
      details: { variable },
    }),
  );
});

test.each(['0a58=eth0', '0a:58', '0a:58=', '=eth0', '0a:5g=eth0', '1:2=eth0', 'eth0=0a:58'])(
  'PREFERRED_INTERFACE_FOR_MAC_PREFIX is not %s',
  (text) => {
    const config = agentConfig({ PREFERRED_INTERFACE_FOR_MAC_PREFIX: `02:42=eth1,${text}` });
    expect(() => checkAgentConfig(config)).toThrow(
      expect.objectContaining({
        code: 'ERR_AGENT_OPTION',
        message: expect.stringContaining(`"${text}" is no MAC prefix and interface`),
      }),
    );
  },
);

test('what has no effect yet is said, one line each', () => {
  const config = agentConfig({
    ENABLE_FLOWS_RINGBUF_FALLBACK: 'true',
    FORCE_GARBAGE_COLLECTION: 'false',
  });
  expect(checkAgentConfig(config).map((line) => line.split(' ')[0])).toEqual([
    'ENABLE_FLOWS_RINGBUF_FALLBACK',
    'FORCE_GARBAGE_COLLECTION',
  ]);
});

test('an address of profiles needs a port', () => {
  expect(agentConfig({ PPROF_ADDR: ':6060' }).pprofAddr).toEqual({ host: '::', port: 6060 });
  expect(() => agentConfig({ PPROF_ADDR: 'localhost' })).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
  );
});

test('where flows stay, options of exporters have no effect, which is said', () => {
  const config = agentConfig({ EXPORT: 'kafka', GRPC_MESSAGE_MAX_FLOWS: '10000' });
  expect(exportOptionWarnings(config)).toEqual([
    'EXPORT has no effect here: flows stay in this process',
  ]);
});

test('filter rules: all that is wrong is said with its place, and nothing is loaded', () => {
  const load = () => agentConfig({ FLOW_FILTER_RULES: '[{"action":"Acept"},{"port":"http"}]' });
  expect(load).toThrow(
    expect.objectContaining({
      code: 'ERR_CONFIG_INVALID',
      details: {
        issues: [
          expect.stringMatching(/^environment variable FLOW_FILTER_RULES: rule 1, "action": /),
          expect.stringMatching(/^environment variable FLOW_FILTER_RULES: rule 2, "port": /),
        ],
      },
    }),
  );
  expect(agentConfig({ FLOW_FILTER_RULES: 'port=80' }).flowFilterRules).toHaveLength(1);
  expect(agentConfig().flowFilterRules).toBeUndefined();
});

const PCA = { ENABLE_PCA: 'true', FLOW_FILTER_RULES: 'port=80' };

test.each([
  // As in `netobserv-ebpf-agent`: an empty text means no rules, and an empty list captures nothing.
  [{ ...PCA, FLOW_FILTER_RULES: '' }, 'FLOW_FILTER_RULES'],
  [{ ...PCA, FLOW_FILTER_RULES: 'drops=true' }, 'FLOW_FILTER_RULES'],
  [{ ...PCA, LISTEN_CONTAINERS_PERIOD: '1ms' }, 'LISTEN_CONTAINERS_PERIOD'],
  [{ ...PCA, INTERFACES: '/[/' }, 'INTERFACES'],
])('a capture with %o is refused', (env, variable) => {
  expect(() => checkCaptureConfig(agentConfig(env))).toThrow(
    expect.objectContaining({ code: 'ERR_AGENT_OPTION', details: { variable } }),
  );
});

test('a capture says what has no effect', () => {
  expect(checkCaptureConfig(agentConfig(PCA))).toEqual([]);
  const env = {
    ...{ ...PCA, FLOW_FILTER_RULES: '[]', CACHE_MAX_FLOWS: '100', QUIC_TRACKING_MODE: '1' },
    ...{ PREFERRED_INTERFACE_FOR_MAC_PREFIX: '0a:58=eth0', FORCE_GARBAGE_COLLECTION: 'false' },
  };
  expect(checkCaptureConfig(agentConfig(env))).toEqual([
    'QUIC_TRACKING_MODE has no effect with ENABLE_PCA',
    'CACHE_MAX_FLOWS has no effect with ENABLE_PCA',
    'PREFERRED_INTERFACE_FOR_MAC_PREFIX has no effect with ENABLE_PCA',
    'FORCE_GARBAGE_COLLECTION has no effect: buffers are reused between drains',
    'FLOW_FILTER_RULES is empty: nothing is captured',
  ]);
});

test('a capture says of every feature that it has no effect', () => {
  const config = withFeatures(agentConfig(PCA), ['all']);
  const warned = checkCaptureConfig(config).map((line) => line.split(' ')[0]);
  expect(warned).toEqual(expect.arrayContaining(['ENABLE_TCP_HEALTH', 'ENABLE_PROCESSES']));
  expect(warned).toHaveLength(featureNames().length);
});

test('an agent that keeps flows captures no packets', () => {
  expect(() => checkFlowsConfig(agentConfig(PCA))).toThrow(
    expect.objectContaining({ code: 'ERR_AGENT_UNSUPPORTED' }),
  );
  checkFlowsConfig(agentConfig());
});

test('words that the original takes for something start the agent, too', () => {
  const env = {
    ...{ DIRECTION: 'inbound', TC_ATTACH_MODE: 'auto', LISTEN_INTERFACES: 'sometimes' },
    ...{ TCX_ATTACH_ANCHOR_INGRESS: 'first', TCX_ATTACH_ANCHOR_EGRESS: 'last', LOG_LEVEL: 'loud' },
  };
  expect(agentConfig(env)).toMatchObject({
    direction: 'both',
    tcAttachMode: 'any',
    listenInterfaces: 'watch',
    tcxAttachAnchorIngress: 'head',
    tcxAttachAnchorEgress: 'head',
    logLevel: 'info',
  });
  expect(() => agentConfig({ EXPORT: 'carrier-pigeon' })).toThrow('EXPORT');
});

test('an address of IPv6 may be in brackets where a port follows', () => {
  const env = { TARGET_HOST: '[fd00::7]', METRICS_SERVER_ADDRESS: '[::]' };
  const wanted = { targetHost: 'fd00::7', metricsServerAddress: '::' };
  expect(agentConfig(env)).toMatchObject(wanted);
  expect(agentConfig({ TARGET_HOST: 'fd00::7', METRICS_SERVER_ADDRESS: '::' })).toMatchObject(
    wanted,
  );
  expect(agentConfig({ TARGET_HOST: 'collector.example.' }).targetHost).toBe('collector.example.');
});

test('words may be written in any case', () => {
  expect(agentConfig({ LOG_LEVEL: 'Debug', KAFKA_SASL_TYPE: 'SCRAMSHA512' })).toMatchObject({
    logLevel: 'debug',
    kafkaSaslType: 'scramSHA512',
  });
});

test('0 where a number has to be there is the default', () => {
  const numbers = Object.values(agentOptions).filter(({ type }) => type === 'integer');
  const env = Object.fromEntries(numbers.map((option) => [option.env, '0']));
  const config = agentConfig(env);
  checkAgentConfig(config);
  expect(config).toMatchObject({
    kafkaBatchSizeBytes: 1_048_576,
    kafkaBatchMessages: 1000,
    grpcMessageMaxFlows: 10_000,
    buffersLength: 50,
    cacheMaxFlows: 5000,
    tcAttachRetries: 4,
    dnsTrackingPort: 53,
    metricsServerPort: 9090,
    pcaMessageMaxPackets: 1,
    // Variables for which 0 has a meaning.
    ...{ sampling: 0, networkEventsMonitoringGroupId: 0, targetPort: 0, quicTrackingMode: 0 },
  });
});
