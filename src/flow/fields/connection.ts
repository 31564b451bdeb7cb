import type { FieldSpec } from '../field.ts';

const tcp = { producer: 'agent', feature: 'tcpHealth' } as const;
const GROUP = 'Connection';

/** How the conversation began, its state and quality, and why the record was made. */
export const connectionFields: readonly FieldSpec[] = [
  {
    name: 'FlowEndReason',
    kind: 'u8',
    unit: 'enum',
    names: 'flowEnd',
    meaning:
      'Why the record was made: 1 idle, 2 active timeout, 3 end of the TCP connection seen, 4 the agent ended, 5 its map was filling up.',
    producer: 'agent',
    omitZero: true,
    proto: { path: 'flow_end_reason', numbers: [101] },
    ipfix: { name: 'flowEndReason', id: 136 },
    cardinality: 'fine',
    otel: 'flow.end_reason',
    column: {
      id: 'FlowEndReason',
      name: 'End Reason',
      group: GROUP,
      width: 5,
      renderer: 'named',
      tooltip: 'Why the record was made.',
    },
    filter: {
      id: 'flow_end_reason',
      name: 'End reason',
      component: 'autocomplete',
      category: 'common',
      hint: 'Why the record was made.',
      placeholder: 'active, ended',
      examples: 'A number of flowEndReason (2, 3) or its name (active, ended).',
    },
  },
  {
    name: 'Initiator',
    kind: 'u8',
    unit: 'enum',
    names: 'initiator',
    meaning: 'Which end opened the conversation: 1 the source, 2 the destination.',
    producer: 'agent',
    omitZero: true,
    proto: { path: 'initiator', numbers: [102] },
    ipfix: { name: 'biflowDirection', id: 239 },
    cardinality: 'fine',
    otel: 'flow.initiator',
    column: {
      id: 'Initiator',
      name: 'Initiator',
      group: GROUP,
      width: 5,
      renderer: 'named',
      tooltip: 'Which end opened the conversation.',
    },
    filter: {
      id: 'initiator',
      name: 'Initiator',
      component: 'autocomplete',
      category: 'common',
      hint: 'End that opened the conversation.',
      placeholder: 'source',
    },
  },
  count('TcpRetransmissions', 105, 'Retransmissions', 'TCP segments that were sent again'),
  count('TcpResets', 106, 'Resets', 'TCP segments that reset the connection'),
  count('TcpFailedConnects', 107, 'Failed Connects', 'attempts to connect that came to nothing'),
  count('TcpZeroWindows', 108, 'Zero Windows', 'TCP segments that told the peer to stop sending'),
  {
    ...tcp,
    name: 'TcpHandshakeNs',
    kind: 'f64',
    unit: 'nanoseconds',
    meaning: 'Time from the SYN of the local end until the connection was established.',
    omitZero: true,
    proto: { path: 'tcp_handshake_ns', numbers: [109] },
    cardinality: 'avoid',
    otel: 'tcp.handshake',
    column: {
      id: 'TcpHandshake',
      name: 'Handshake',
      group: GROUP,
      width: 5,
      renderer: 'duration',
      tooltip: 'Time that connecting took.',
    },
    filter: {
      id: 'tcp_handshake',
      name: 'TCP handshake',
      component: 'number',
      category: 'common',
      hint: 'Time that connecting took, in nanoseconds.',
      placeholder: '10ms',
    },
  },
];

function count(name: string, number: number, title: string, what: string): FieldSpec {
  const words = name.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
  return {
    ...tcp,
    name,
    kind: 'f64',
    unit: 'packets',
    meaning: `Number of ${what}.`,
    omitZero: true,
    proto: { path: words, numbers: [number] },
    cardinality: 'avoid',
    otel: words.replace('_', '.'),
    column: {
      id: name,
      name: title,
      group: GROUP,
      width: 5,
      renderer: 'packets',
      tooltip: `Number of ${what}.`,
    },
    filter: {
      id: words,
      name: `TCP ${title.toLowerCase()}`,
      component: 'number',
      category: 'common',
      hint: `Number of ${what}.`,
      placeholder: '1',
    },
  };
}
