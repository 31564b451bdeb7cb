import type { FieldSpec } from '../field.ts';

const shared = { producer: 'agent', feature: 'tunnels' } as const;
const GROUP = 'Tunnel';

/** The tunnel around a flow, where the agent looks into tunnels and reports the inner flow. */
export const tunnelFields: readonly FieldSpec[] = [
  {
    ...shared,
    name: 'TunnelType',
    kind: 'str',
    meaning: 'Tunnel around the flow: `vxlan` or `geneve`; from sFlow also `gre` or `ipip`.',
    proto: { path: 'tunnel_type', numbers: [150], context: 'tunnelType' },
    cardinality: 'fine',
    otel: 'tunnel.type',
    column: {
      id: 'TunnelType',
      name: 'Tunnel',
      group: GROUP,
      width: 5,
      renderer: 'text',
      tooltip: 'Tunnel around the flow.',
    },
    filter: {
      id: 'tunnel_type',
      name: 'Tunnel',
      component: 'autocomplete',
      category: 'common',
      hint: 'Kind of a tunnel.',
      placeholder: 'vxlan, geneve',
    },
  },
  {
    ...shared,
    name: 'TunnelId',
    kind: 'u32',
    meaning: "Identifier of the virtual network (VNI) in the tunnel's header.",
    proto: { path: 'tunnel_id', numbers: [151], presence: 'tunnel' },
    ipfix: { name: 'layer2SegmentId', id: 351, form: 'segment', reads: 'TunnelType' },
    cardinality: 'careful',
    otel: 'tunnel.id',
    column: {
      id: 'TunnelId',
      name: 'VNI',
      group: GROUP,
      width: 5,
      renderer: 'text',
      tooltip: 'Identifier of the virtual network.',
    },
    filter: {
      id: 'tunnel_id',
      name: 'VNI',
      component: 'number',
      category: 'common',
      hint: 'Identifier of a virtual network.',
      placeholder: '42',
    },
  },
  end('TunnelSrcAddr', 'source', 152),
  end('TunnelDstAddr', 'destination', 153),
];

function end(name: string, word: string, number: number): FieldSpec {
  const words = name.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
  const meaning = `Address of the ${word} in the header around the tunnel.`;
  return {
    ...shared,
    name,
    kind: 'addr',
    pair: 'TunnelAddr',
    meaning,
    proto: { path: words, numbers: [number] },
    cardinality: 'careful',
    otel: `tunnel.${word}.address`,
    column: {
      id: name,
      name: `Tunnel ${word} IP`,
      group: GROUP,
      width: 10,
      renderer: 'address',
      tooltip: meaning,
    },
    filter: {
      id: words,
      name: `Tunnel ${word} address`,
      component: 'text',
      category: 'common',
      hint: meaning,
      placeholder: '192.0.2.0/24',
    },
  };
}
