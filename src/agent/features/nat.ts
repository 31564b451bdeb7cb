import { setBit } from '../../flow/bits.ts';
import { hasPorts } from '../../flow/enums.ts';
import type { AddressTable } from '../../flow/intern.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { flowKey, natMetrics, natState } from '../drain/layout.gen.ts';
import type { FeatureSpec } from './feature.ts';

/** Flows as seen on the other side of address translation, by bpf/nat.h. */
export const nat: FeatureSpec = {
  name: 'nat',
  variable: 'ENABLE_PKT_TRANSLATION',
  isOn: (config) => config.enablePktTranslation,
  fields: 'packetTranslation',
  without: 'flows have no Xlat fields',
  enabledBy: 'kernel function bpf_skb_ct_lookup (Linux 5.19 or later with NF_CONNTRACK and BTF)',
  extension: { at: 'natAt', sizeBytes: natMetrics.sizeBytes },

  reader: (_deps, at) => ({
    decode(buffer, length, batch) {
      const { addresses } = batch.tables;
      for (const [name, offset] of ADDRESSES) {
        if (!batch.has(name)) continue;
        internTranslated(buffer, length, at, offset, addresses, batch.ids(name));
      }
      for (const [name, offset] of PORTS) {
        if (!batch.has(name)) continue;
        copyTranslated(buffer, length, at, offset, batch.u16(name));
        markPorts(buffer, length, at, batch.present(name));
      }
      if (batch.has('ZoneId')) {
        copyTranslated(buffer, length, at, natMetrics.zone, batch.u16('ZoneId'));
        markTranslated(buffer, length, at, batch.present('ZoneId'));
      }
    },
  }),
};

const ADDRESSES = [
  ['XlatSrcAddr', natMetrics.srcIp],
  ['XlatDstAddr', natMetrics.dstIp],
] as const;

const PORTS = [
  ['XlatSrcPort', natMetrics.srcPort],
  ['XlatDstPort', natMetrics.dstPort],
] as const;

function internTranslated(
  { values, values32, valueBytes }: DrainBuffer,
  length: number,
  extension: number,
  offset: number,
  addresses: AddressTable,
  into: Uint32Array,
): void {
  for (let row = 0, at = extension; row < length; row++, at += valueBytes) {
    if (values[at + natMetrics.state] !== natState.translated) continue;
    into[row] = addresses.internWords(values32, (at + offset) >> 2);
  }
}

function copyTranslated(
  { values, values16, valueBytes }: DrainBuffer,
  length: number,
  extension: number,
  offset: number,
  into: Uint16Array,
): void {
  for (let row = 0, at = extension; row < length; row++, at += valueBytes) {
    if (values[at + natMetrics.state] !== natState.translated) continue;
    into[row] = values16[(at + offset) >> 1]!;
  }
}

function markTranslated(
  { values, valueBytes }: DrainBuffer,
  length: number,
  extension: number,
  present: Uint32Array,
): void {
  for (let row = 0, at = extension + natMetrics.state; row < length; row++, at += valueBytes) {
    if (values[at] === natState.translated) setBit(present, row);
  }
}

/** As with the ports of the flow itself, not all protocols have ports. */
function markPorts(
  { keys, values, valueBytes }: DrainBuffer,
  length: number,
  extension: number,
  present: Uint32Array,
): void {
  let key: number = flowKey.protocol;
  for (let row = 0, at = extension + natMetrics.state; row < length; row++, at += valueBytes) {
    const protocol = keys[key]!;
    key += flowKey.sizeBytes;
    if (values[at] !== natState.translated) continue;
    if (hasPorts(protocol)) setBit(present, row);
  }
}
