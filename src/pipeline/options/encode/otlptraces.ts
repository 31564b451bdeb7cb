import { type Static, Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { OTLP_CONNECTION } from '../otlp.ts';

export const OtlpTracesOptions = strictObject(
  {
    ...OTLP_CONNECTION,
    spanSplitter: Type.Array(
      Type.String({ minLength: 1, description: 'A prefix of fields, such as `Src`.' }),
      {
        default: [],
        description:
          'Prefixes of fields. Each makes a child span with the fields that have the prefix, ' +
          'without it, and with those that have none of the prefixes.',
      },
    ),
  },
  {
    description:
      'Sends flows as traces by the OpenTelemetry protocol: a span with all fields, and a child ' +
      'for each prefix. Spans begin with the first packet and end with the last one; ' +
      'flowlogs-pipeline gives them the time of processing.',
    examples: [
      {
        address: 'otel-collector',
        port: 4318,
        connectionType: 'http',
        spanSplitter: ['Src', 'Dst'],
      },
    ],
  },
);

export type OtlpTracesOptions = Static<typeof OtlpTracesOptions>;
