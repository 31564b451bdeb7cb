import { rttMetrics } from '../drain/layout.gen.ts';
import { fillWords } from './columns.ts';
import type { FeatureSpec } from './feature.ts';

const NS_PER_US = 1000;

/** Round-trip times of TCP, by bpf/rtt.h. */
export const rtt: FeatureSpec = {
  name: 'rtt',
  variable: 'ENABLE_RTT',
  isOn: (config) => config.enableRtt,
  fields: 'flowRTT',
  without: 'flows have no TimeFlowRttNs',
  enabledBy: 'tracepoint tcp:tcp_probe (Linux 5.13 or later with BTF)',
  extension: { at: 'rttAt', sizeBytes: rttMetrics.sizeBytes },
  ways: [[{ program: 'rtt_tcp_probe' }]],

  reader: (_deps, at) => ({
    decode(buffer, length, batch) {
      const { smoothedUs, minUs } = rttMetrics;
      fillWords(buffer, length, batch, 'TimeFlowRttNs', at + smoothedUs, NS_PER_US);
      fillWords(buffer, length, batch, 'TimeFlowRttMinNs', at + minUs, NS_PER_US);
    },
  }),
};
