import { type Static, Type } from 'typebox';
import { duration, strictObject, word } from '../../../config/schema.ts';
import { fieldName, optionalText } from '../field.ts';

export const RECORD_TYPES = ['newConnection', 'heartbeat', 'endConnection', 'flowLog'] as const;

const FieldGroup = strictObject(
  {
    name: Type.String({ minLength: 1, description: 'Name of the group.' }),
    fields: Type.Array(fieldName('A field.'), {
      minItems: 1,
      description: 'Fields of the group. Flows of one connection agree in them.',
    }),
  },
  { description: 'A group of key fields.' },
);

const Hash = strictObject(
  {
    fieldGroupRefs: Type.Array(Type.String(), {
      default: [],
      description: 'Groups that are the same in both directions, such as the protocol.',
    }),
    fieldGroupARef: optionalText(
      'Group of one side of the connection. A and B change places in the other direction, so ' +
        'their fields correspond to each other by position. Empty: flows have no direction.',
    ),
    fieldGroupBRef: optionalText('Group of the other side of the connection.'),
  },
  {
    description:
      'The fields that identify a connection. The identifier, _HashId, has 16 hexadecimal digits ' +
      'and depends on nothing but the values: each hash is FNV-1a of 64 bits, of a field over its ' +
      'text in UTF-8, of a group over the hashes of its fields, of the connection over the hashes ' +
      'of fieldGroupRefs, then the lower and the higher one of A and B. Hashes are hashed as 8 ' +
      'bytes, the most significant first; that of a missing field is 0. flowlogs-pipeline hashes ' +
      'an encoding that only programs in Go have, so its identifiers differ.',
  },
);

const KeyDefinition = strictObject(
  {
    fieldGroups: Type.Array(FieldGroup, {
      minItems: 1,
      description: 'Groups of the key fields, which all records of a connection have.',
    }),
    hash: Hash,
  },
  { description: 'The key of a connection.' },
);

const OutputField = strictObject(
  {
    name: Type.String({ minLength: 1, description: 'Field of the records that gets the result.' }),
    operation: word(['sum', 'count', 'min', 'max', 'first', 'last'], {
      description:
        'The operation. first and last keep a value of any kind; count counts flows. Results that ' +
        'are 0 are left out.',
    }),
    splitAB: Type.Boolean({
      default: false,
      description:
        'Two results: name_AB for flows from A to B, name_BA for the others. Not for first and last.',
    }),
    input: optionalText('Field of the flows. Empty: that of the name.'),
    reportMissing: Type.Boolean({
      default: false,
      description:
        'Count flows without the field in conntrack_aggregator_errors. They change nothing in ' +
        'either case; in flowlogs-pipeline, they count as 0 without this option.',
    }),
  },
  { description: 'A result over the flows of a connection.' },
);

const SelectorValue = Type.Union([Type.String(), Type.Number(), Type.Boolean()], {
  description: 'The value.',
});

const Scheduling = strictObject(
  {
    selector: Type.Record(Type.String(), SelectorValue, {
      default: {},
      description: 'Values of key fields of the connections. The last selector is empty: the rest.',
    }),
    endConnectionTimeout: duration({
      default: '10s',
      description: 'Time without flows after which a connection ends.',
    }),
    terminatingTimeout: duration({
      default: '5s',
      description:
        'Time from a flow with FIN until the connection ends. Flows are still added to it, but do ' +
        'not extend it.',
    }),
    heartbeatInterval: duration({
      default: '30s',
      description: 'Time between heartbeat records of a connection. Without FIN only.',
    }),
  },
  {
    description:
      'Times of the connections that a selector chooses when they begin; they are kept to the ' +
      'second.',
  },
);

const TcpFlags = strictObject(
  {
    fieldName: optionalText('Field with TCP flags as a number. Required for the other two.'),
    detectEndConnection: Type.Boolean({
      default: false,
      description: 'A flow with FIN ends its connection, after terminatingTimeout.',
    }),
    swapAB: Type.Boolean({
      default: false,
      description:
        'A connection whose first flow has SYN_ACK began in the other direction: A and B change ' +
        'places in its records.',
    }),
  },
  { default: {}, description: 'Use of TCP flags.' },
);

export const ConntrackOptions = strictObject(
  {
    keyDefinition: KeyDefinition,
    outputRecordTypes: Type.Array(
      word(RECORD_TYPES, { description: 'A kind of record, the value of _RecordType.' }),
      {
        minItems: 1,
        description:
          'Records to make: newConnection at the first flow, heartbeat at intervals, ' +
          'endConnection, and flowLog for every flow. The field _IsFirst marks the first record ' +
          'that was made of a connection.',
      },
    ),
    outputFields: Type.Array(OutputField, {
      default: [],
      description: 'Fields of the records, besides the key fields.',
    }),
    scheduling: Type.Array(Scheduling, {
      minItems: 1,
      description: 'Times, by kinds of connections. The first selector that matches counts.',
    }),
    maxConnectionsTracked: Type.Integer({
      minimum: 0,
      default: 0,
      description:
        'Limit on connections. 0: the built-in limit, 1000000, which no other value exceeds ' +
        'either. Flows of further ones are counted as `rejected` in conntrack_input_records; ' +
        'flowlogs-pipeline counts them as `discarded`.',
    }),
    tcpFlags: TcpFlags,
  },
  {
    description:
      'Joins flows into connections, and reports how these begin, go on and end. Flows of other ' +
      'protocols than TCP, UDP and SCTP belong to no connection: they are counted as `discarded`, ' +
      'and only the kind flowLog has them, without _HashId; flowlogs-pipeline loses them there, ' +
      'too. A flow with the field Duplicate is added to no connection. Connections end by the ' +
      'clock, also without traffic, and all of them when the pipeline stops.',
    examples: [
      {
        keyDefinition: {
          fieldGroups: [
            { name: 'src', fields: ['SrcAddr', 'SrcPort'] },
            { name: 'dst', fields: ['DstAddr', 'DstPort'] },
            { name: 'common', fields: ['Proto'] },
          ],
          hash: {
            fieldGroupRefs: ['common'],
            fieldGroupARef: 'src',
            fieldGroupBRef: 'dst',
          },
        },
        outputRecordTypes: ['newConnection', 'heartbeat', 'endConnection', 'flowLog'],
        outputFields: [
          { name: 'Bytes', operation: 'sum' },
          { name: 'Bytes', operation: 'sum', splitAB: true },
          { name: 'numFlowLogs', operation: 'count' },
          { name: 'TimeFlowStartMs', operation: 'min' },
          { name: 'TimeFlowEndMs', operation: 'max' },
          { name: 'MaxTimeFlowRttNs', operation: 'max', input: 'TimeFlowRttNs' },
          { name: 'AgentIP', operation: 'first' },
        ],
        scheduling: [
          { selector: { Proto: 17 }, endConnectionTimeout: '5s' },
          {
            endConnectionTimeout: '10s',
            terminatingTimeout: '5s',
            heartbeatInterval: '30s',
          },
        ],
        tcpFlags: { fieldName: 'Flags', detectEndConnection: true, swapAB: true },
      },
    ],
  },
);

export type ConntrackOptions = Static<typeof ConntrackOptions>;
export type RecordType = (typeof RECORD_TYPES)[number];
export type OutputFieldOptions = Static<typeof OutputField>;
export type SchedulingOptions = Static<typeof Scheduling>;
