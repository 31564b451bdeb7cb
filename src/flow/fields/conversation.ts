import type { FieldSpec, FieldUnit } from '../field.ts';

/** Fields that the joining of flows into conversations adds to a record. */
export const conversationFields: readonly FieldSpec[] = [
  {
    name: '_RecordType',
    kind: 'str',
    meaning:
      'Kind of the record: `flowLog` for a flow, `newConnection`, `heartbeat` or `endConnection` for a conversation.',
    producer: 'conntrack',
    feature: 'conversation',
    lokiLabel: true,
    cardinality: 'fine',
    otel: 'record.type',
    column: {
      id: 'RecordType',
      name: 'Event / Type',
      width: 15,
      default: true,
      renderer: 'text',
      tooltip: 'A flow, or the start, progress or end of a conversation.',
    },
  },
  {
    name: '_HashId',
    kind: 'str',
    meaning: 'Identifies the conversation; the same in both directions.',
    producer: 'conntrack',
    feature: 'conversation',
    cardinality: 'avoid',
    otel: 'conversation.id',
    column: {
      id: '_HashId',
      name: 'Conversation Id',
      width: 15,
      default: true,
      renderer: 'text',
      tooltip: 'Flows of one conversation share it, in both directions.',
    },
    filter: {
      id: 'id',
      name: 'Conversation Id',
      component: 'text',
      category: 'common',
      hint: 'Identifier of a conversation.',
    },
  },
  {
    name: '_IsFirst',
    kind: 'u8',
    unit: 'boolean',
    meaning: 'Whether this is the first record written of the conversation.',
    producer: 'conntrack',
    feature: 'conversation',
    cardinality: 'fine',
    otel: 'conversation.first',
  },
  total('numFlowLogs', 'flows', 'Number of flows that were joined into the conversation.'),
  ...bothWays('Bytes', 'bytes', 'Bytes'),
  ...bothWays('Packets', 'packets', 'Packets'),
  ...bothWays('PktDropBytes', 'bytes', 'Bytes dropped'),
  ...bothWays('PktDropPackets', 'packets', 'Packets dropped'),
  total(
    'MaxTimeFlowRttNs',
    'nanoseconds',
    'Longest smoothed round-trip time among the flows of the conversation.',
  ),
];

function total(name: string, unit: FieldUnit, meaning: string): FieldSpec {
  return {
    name,
    kind: 'f64',
    unit,
    meaning,
    producer: 'conntrack',
    feature: 'conversation',
    omitZero: true,
    cardinality: 'avoid',
  };
}

/** The part of a sum that went from the conversation's side A to B, and back. */
function bothWays(name: string, unit: FieldUnit, what: string): readonly FieldSpec[] {
  return [
    total(`${name}_AB`, unit, `${what} from the side that opened the conversation.`),
    total(`${name}_BA`, unit, `${what} towards the side that opened the conversation.`),
  ];
}
