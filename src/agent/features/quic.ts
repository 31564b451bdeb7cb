import { setBit } from '../../flow/bits.ts';
import { QUIC_VERSIONS } from '../../flow/names/quic.ts';
import { config as layout, quicMetrics } from '../drain/layout.gen.ts';
import { type FeatureSpec, HOOKS_ALONE } from './feature.ts';

/** QUIC's versions and headers, by bpf/quic.h. */
export const quic: FeatureSpec = {
  name: 'quic',
  variable: 'QUIC_TRACKING_MODE',
  isOn: (config) => config.quicTrackingMode > 0,
  fields: 'quicTracking',
  without: 'flows have no Quic fields',
  enabledBy: HOOKS_ALONE,
  extension: { at: 'quicAt', sizeBytes: quicMetrics.sizeBytes },
  configure: (view, config) => view.setUint8(layout.quicMode, config.quicTrackingMode),
  sideTables: ['quic_flows'],
  reader: (_deps, at) => ({
    decode({ values, values32, valueBytes }, length, batch) {
      const { strings } = batch.tables;
      const versions = batch.has('QuicVersion') ? batch.ids('QuicVersion') : undefined;
      for (let row = 0, base = at; row < length; row++, base += valueBytes) {
        const version = values32[(base + quicMetrics.version) >> 2]!;
        if (version === 0 || versions === undefined) continue;
        versions[row] = strings.intern(QUIC_VERSIONS.nameOf(version));
      }
      const headers = [
        ['QuicSeenLongHdr', quicMetrics.seenLongHeader],
        ['QuicSeenShortHdr', quicMetrics.seenShortHeader],
      ] as const;
      for (const [name, offset] of headers) {
        if (!batch.has(name)) continue;
        headerSeen(length, values, valueBytes, at, offset, batch.u8(name), batch.present(name));
      }
    },
  }),
};

/** QUIC flows have both kinds, 0 or 1; other flows have neither. */
function headerSeen(
  length: number,
  values: Uint8Array,
  stride: number,
  at: number,
  offset: number,
  into: Uint8Array,
  present: Uint32Array,
): void {
  for (let row = 0, base = at; row < length; row++, base += stride) {
    const long = values[base + quicMetrics.seenLongHeader]!;
    const short = values[base + quicMetrics.seenShortHeader]!;
    if (long === 0 && short === 0) continue;
    into[row] = values[base + offset]!;
    setBit(present, row);
  }
}
