import { type Static, Type } from 'typebox';
import { strictObject, word } from '../../config/schema.ts';
import { optionalText } from './field.ts';

/** The keys of a pipeline's configuration that are not those of a stage. */

export const StageName = Type.String({ minLength: 1, description: 'Name of the stage.' });

export const Edge = strictObject(
  {
    name: StageName,
    follows: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'Name of the stage that this one takes flows from. A stage that follows several has an ' +
          'entry for each. The first stage follows preset-ingester or an ingest stage.',
      }),
    ),
    whenFull: Type.Optional(
      word(['drop', 'block'], {
        description:
          'Behaviour of an encode or write stage when its queue is full. drop (the default): ' +
          'discard flows and count them. block: make a source that can wait do so.',
      }),
    ),
  },
  { description: 'An edge of the graph of stages.' },
);

const Tls = strictObject(
  {
    certPath: optionalText('File with the certificate, in PEM. Empty: the server speaks HTTP.'),
    keyPath: optionalText('File with the key of the certificate, in PEM.'),
  },
  { description: 'Certificate of the server of metrics.' },
);

export const MetricsSettings = strictObject(
  {
    address: optionalText('Address of the server. Empty: all addresses.'),
    port: Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: 9090,
      description: 'Port of the server.',
    }),
    tls: Type.Optional(Tls),
    tokenPath: optionalText(
      'File with a token that readers of /metrics must send, as `Authorization: Bearer <token>`; ' +
        'others get 401. It is read again when it changes. Empty: everybody may read. Give the ' +
        'server a certificate as well, or the token can be overheard. flowlogs-pipeline has no ' +
        'such option.',
    ),
    prefix: optionalText('Prefix of the names of the pipeline’s own metrics.'),
    noPanic: Type.Boolean({
      default: false,
      description: 'Accepted for configurations of flowlogs-pipeline. Has no effect.',
    }),
    suppressDefaultMetrics: Type.Boolean({
      default: false,
      description:
        'Leave out the metrics of the process. Has no effect in an agent, which has its own.',
    }),
    disableGlobalServer: Type.Boolean({
      default: false,
      description: 'Do not start the server. Stages with a server of their own still do.',
    }),
  },
  { default: {}, description: 'The server of the pipeline’s metrics.' },
);

export type PipelineEdge = Static<typeof Edge>;
export type MetricsSettings = Static<typeof MetricsSettings>;

/** A stage's options as written: one section, with a type and options under the type's name. */
export interface StageParameters {
  readonly name: string;
  readonly ingest?: unknown;
  readonly transform?: unknown;
  readonly extract?: unknown;
  readonly encode?: unknown;
  readonly write?: unknown;
}

/** The configuration as written by a person or a program; `compilePipeline` checks it. */
export interface PipelineConfig {
  readonly pipeline: readonly PipelineEdge[];
  readonly parameters: readonly StageParameters[];
  readonly metricsSettings?: Partial<MetricsSettings>;
}
