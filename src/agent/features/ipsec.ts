import type { FlowBatch } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { ipsecMetrics } from '../drain/layout.gen.ts';
import type { FeatureSpec } from './feature.ts';

/**
 * Packets that IPsec may process at the same time, several times over: each CPU reserves some
 * hundred free entries of such a map.
 */
const PACKETS_MAX = 16_384;

const BOTH_WAYS = ['ipsec_input', 'ipsec_output', 'ipsec_output_end', 'ipsec_input4_end'];
const WITH_IPV6 = [...BOTH_WAYS, 'ipsec_input6_end'];

const trampolines = (programs: readonly string[]) => programs.map((program) => ({ program }));
const kprobes = (programs: readonly string[]) =>
  programs.map((program) => ({ program: `${program}_kprobe` }));

/** Whether IPsec could encrypt and decrypt, by bpf/ipsec.h, which also notes what is certain. */
export const ipsec: FeatureSpec = {
  name: 'ipsec',
  variable: 'ENABLE_IPSEC_TRACKING',
  isOn: (config) => config.enableIpsecTracking,
  fields: 'ipsec',
  without: 'flows have no IPSec fields',
  enabledBy: 'fentry or kprobes on xfrm_input and xfrm_output',
  extension: { at: 'ipsecAt', sizeBytes: ipsecMetrics.sizeBytes },
  maxEntries: () => ({ ipsec_packets: PACKETS_MAX }),
  // A kernel may lack IPv6.
  ways: [trampolines(WITH_IPV6), trampolines(BOTH_WAYS), kprobes(WITH_IPV6), kprobes(BOTH_WAYS)],

  reader: (_deps, at) => ({
    decode(buffer, length, batch) {
      if (batch.has('IPSecRetCode')) {
        const present = batch.present('IPSecRetCode');
        results(buffer, length, at, batch.f64('IPSecRetCode'), present);
      }
      if (batch.has('IPSecStatus')) statuses(buffer, length, at, batch);
    },
  }),
};

/** 0, or the last negative errno. */
function results(
  { values, values32, valueBytes }: DrainBuffer,
  length: number,
  extension: number,
  into: Float64Array,
  present: Uint32Array,
): void {
  for (let row = 0, at = extension; row < length; row++, at += valueBytes) {
    if (values[at + ipsecMetrics.seen] === 0) continue;
    into[row] = values32[(at + ipsecMetrics.result) >> 2]! | 0;
    setBit(present, row);
  }
}

function statuses(
  { values, values32, valueBytes }: DrainBuffer,
  length: number,
  extension: number,
  batch: FlowBatch,
): void {
  const { strings } = batch.tables;
  const into = batch.ids('IPSecStatus');
  const success = strings.intern('success');
  const error = strings.intern('error');
  for (let row = 0, at = extension; row < length; row++, at += valueBytes) {
    if (values[at + ipsecMetrics.seen] === 0) continue;
    into[row] = values32[(at + ipsecMetrics.result) >> 2] === 0 ? success : error;
  }
}
