import type { FlowBatch } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { config as layout, tunnelMetrics, tunnelType } from '../drain/layout.gen.ts';
import { type FeatureSpec, HOOKS_ALONE } from './feature.ts';

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [tunnelType.vxlan]: 'vxlan',
  [tunnelType.geneve]: 'geneve',
};

/** Flows inside tunnels, by bpf/tunnel.h. */
export const tunnels: FeatureSpec = {
  name: 'tunnels',
  variable: 'TUNNEL_INNER_FLOWS',
  isOn: (config) => config.tunnelInnerFlows,
  fields: 'tunnels',
  without: 'flows are those of tunnels, not of what is inside',
  enabledBy: HOOKS_ALONE,
  extension: { at: 'tunnelAt', sizeBytes: tunnelMetrics.sizeBytes },
  configure(view, config) {
    for (const [ports, at] of [
      [config.tunnelVxlanPorts, layout.vxlanPorts],
      [config.tunnelGenevePorts, layout.genevePorts],
    ] as const) {
      for (const [index, port] of ports.entries())
        view.setUint16(at + index * 2, Number(port), true);
    }
  },
  reader: (_deps, at) => ({
    decode: (buffer, length, batch) => decodeTunnels(buffer, length, batch, at),
  }),
};

function decodeTunnels(buffer: DrainBuffer, length: number, batch: FlowBatch, at: number): void {
  const { strings } = batch.tables;
  const types = Object.entries(TYPE_NAMES).map(([type, name]) => [Number(type), name] as const);
  const ids = new Uint32Array(Math.max(...types.map(([type]) => type)) + 1);
  for (const [type, name] of types) ids[type] = strings.intern(name);
  for (let row = 0, base = at; row < length; row++, base += buffer.valueBytes) {
    const type = buffer.values[base + tunnelMetrics.type]!;
    if (type === 0) continue;
    if (batch.has('TunnelType')) batch.ids('TunnelType')[row] = ids[type]!;
    describe(buffer, base, batch, row);
  }
}

function describe({ values32 }: DrainBuffer, base: number, batch: FlowBatch, row: number): void {
  const { addresses } = batch.tables;
  if (batch.has('TunnelId')) {
    batch.u32('TunnelId')[row] = values32[(base + tunnelMetrics.id) >> 2]!;
    setBit(batch.present('TunnelId'), row);
  }
  if (batch.has('TunnelSrcAddr')) {
    const source = (base + tunnelMetrics.srcIp) >> 2;
    batch.ids('TunnelSrcAddr')[row] = addresses.internWords(values32, source);
  }
  if (batch.has('TunnelDstAddr')) {
    const target = (base + tunnelMetrics.dstIp) >> 2;
    batch.ids('TunnelDstAddr')[row] = addresses.internWords(values32, target);
  }
}
