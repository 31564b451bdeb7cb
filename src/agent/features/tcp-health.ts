import { tcpMetrics } from '../drain/layout.gen.ts';
import { fillDoubles, fillWords } from './columns.ts';
import type { FeatureSpec } from './feature.ts';

const COUNTERS = [
  ['TcpRetransmissions', tcpMetrics.retransmissions],
  ['TcpResets', tcpMetrics.resets],
  ['TcpFailedConnects', tcpMetrics.failedConnects],
  ['TcpZeroWindows', tcpMetrics.zeroWindows],
] as const;

/** Health of TCP connections, by bpf/tcp.h. */
export const tcpHealth: FeatureSpec = {
  name: 'tcp-health',
  variable: 'ENABLE_TCP_HEALTH',
  isOn: (config) => config.enableTcpHealth,
  fields: 'tcpHealth',
  without: 'flows have no TcpRetransmissions and the like',
  enabledBy: 'tracepoints of tcp and sock (tcp:tcp_retransmit_skb and others) with BTF',
  extension: { at: 'tcpAt', sizeBytes: tcpMetrics.sizeBytes },
  ways: [
    [
      { program: 'tcp_sent_again' },
      { program: 'tcp_accepted_again' },
      { program: 'tcp_connected' },
    ],
  ],

  reader: (_deps, at) => ({
    decode(buffer, length, batch) {
      for (const [name, offset] of COUNTERS) fillWords(buffer, length, batch, name, at + offset);
      fillDoubles(buffer, length, batch, 'TcpHandshakeNs', at + tcpMetrics.handshakeNs);
    },
  }),
};
