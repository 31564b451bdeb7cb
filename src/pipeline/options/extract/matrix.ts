import { type Static, Type } from 'typebox';
import { duration, strictObject } from '../../../config/schema.ts';
import { fieldName } from '../field.ts';

const End = strictObject(
  {
    name: Type.String({
      minLength: 1,
      description: 'Name behind Client and Server: Addr makes ClientAddr and ServerAddr.',
    }),
    source: fieldName('Field of the source.'),
    destination: fieldName('The same field of the destination.'),
  },
  { description: 'Something that client and server are told apart by.' },
);

export const MatrixOptions = strictObject(
  {
    window: duration({
      default: '1m',
      description: 'Length of a window, at least 1s. At its end, its pairs are emitted.',
    }),
    maxPairs: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 100_000,
      description:
        'Limit on the pairs of a window. Flows of further ones are counted in ' +
        'pipeline_extractor_rejected_flows_total.',
    }),
    ends: Type.Array(End, {
      minItems: 1,
      default: [{ name: 'Addr', source: 'SrcAddr', destination: 'DstAddr' }],
      description: 'What a client and a server are told apart by, such as addresses or owners.',
    }),
  },
  {
    description:
      'Who talks to whom: both directions of all conversations between a client and a server, by ' +
      'the server’s port, in windows by the clock (flowlogs-pipeline has no such stage). The ' +
      'client is who opened the conversation: by `Initiator`, else by TCP flags (who sends a SYN ' +
      'alone is the client, who sends SYN and ACK in one packet the server), also if that was in ' +
      'an earlier window; else the lower port is the server’s, and with equal or no ports the ' +
      'first source is the client. Each pair is a flow with the `ends` (ClientAddr, ServerAddr), ' +
      '`ServerPort`, `Proto`, `ClientBytes`, `ClientPackets` and `ClientFlows` that the client ' +
      'sent, `ServerBytes`, `ServerPackets` and `ServerFlows`, and the window: `TimeFlowStartMs`, ' +
      '`TimeFlowEndMs`. Ends that a flow lacks are left out. It remembers who opened up to 262144 ' +
      'conversations for five minutes after their last flow; a further one is judged flow by ' +
      'flow, and counted in pipeline_matrix_unremembered_flows_total.',
    examples: [
      {
        window: '5m',
        maxPairs: 10_000,
        ends: [
          { name: 'Namespace', source: 'SrcK8S_Namespace', destination: 'DstK8S_Namespace' },
          { name: 'Owner', source: 'SrcK8S_OwnerName', destination: 'DstK8S_OwnerName' },
        ],
      },
    ],
  },
);

export type MatrixOptions = Static<typeof MatrixOptions>;
