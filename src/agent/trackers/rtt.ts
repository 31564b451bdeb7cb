import type { FlowBatch } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { rttMetrics } from '../drain/layout.gen.ts';
import type { FeatureSpec } from './tracker.ts';

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

  tracker: (_deps, at) => ({
    decode(buffer, length, batch) {
      nanoseconds(buffer, length, batch, 'TimeFlowRttNs', at + rttMetrics.smoothedUs);
      nanoseconds(buffer, length, batch, 'TimeFlowRttMinNs', at + rttMetrics.minUs);
    },
  }),
};

function nanoseconds(
  { values32, valueBytes }: DrainBuffer,
  length: number,
  batch: FlowBatch,
  name: string,
  offset: number,
): void {
  if (!batch.has(name)) return;
  fill(length, values32, valueBytes >> 2, offset >> 2, batch.f64(name), batch.present(name));
}

/** 0 is what flows have of which nothing was measured. */
function fill(
  length: number,
  values: Uint32Array,
  stride: number,
  offset: number,
  into: Float64Array,
  present: Uint32Array,
): void {
  for (let row = 0, at = offset; row < length; row++, at += stride) {
    const us = values[at]!;
    if (us === 0) continue;
    into[row] = us * NS_PER_US;
    setBit(present, row);
  }
}
