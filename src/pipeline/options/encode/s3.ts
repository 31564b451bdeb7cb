import { type Static, Type } from 'typebox';
import { duration, strictObject, word } from '../../../config/schema.ts';
import { optionalText } from '../field.ts';
import { clientTls } from '../tls.ts';

export const S3Options = strictObject(
  {
    account: Type.String({
      minLength: 1,
      description: 'First part of the names of objects, such as the tenant.',
    }),
    endpoint: Type.String({
      minLength: 1,
      description: 'Host of the S3 server, or host:port.',
    }),
    accessKeyId: Type.String({ minLength: 1, description: 'Name of the access key.' }),
    secretAccessKey: optionalText('The secret of the access key. Better: secretAccessKeyPath.'),
    secretAccessKeyPath: optionalText(
      'File with the secret of the access key, instead of secretAccessKey.',
    ),
    bucket: Type.String({ minLength: 1, description: 'Bucket of the objects. It must exist.' }),
    region: Type.String({
      minLength: 1,
      default: 'us-east-1',
      description: 'Region that requests are signed for.',
    }),
    writeTimeout: duration({
      default: '60s',
      description:
        'Time after which flows are written although there are fewer than batchSize. Nothing is ' +
        'written without flows; flowlogs-pipeline writes empty objects.',
    }),
    batchSize: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 10,
      description: 'Flows in an object. The default is that of flowlogs-pipeline; take thousands.',
    }),
    format: word(['json', 'ndjson.gz', 'parquet'], {
      default: 'json',
      description:
        'Contents of an object: a JSON document with the flows and facts about them; a line of ' +
        'JSON for each flow, compressed; or a Parquet file. That has a column for each field that ' +
        'may exist here: numbers (whole ones above 32 bits as DOUBLE), BOOLEAN, texts, lists, and ' +
        'JSON in OtherFields for keys that only the data define. An object of Parquet is also ' +
        'complete with a million values. flowlogs-pipeline has only the document.',
    }),
    secure: Type.Boolean({ default: false, description: 'Connect by TLS.' }),
    tls: clientTls('S3 server'),
    objectHeaderParameters: Type.Record(
      Type.String(),
      Type.Unknown({ description: 'Value of the key.' }),
      { default: {}, description: 'Further keys of each JSON document.' },
    ),
  },
  {
    description: 'Writes flows to objects of an S3 server.',
    examples: [
      {
        account: 'tenant-1',
        endpoint: 's3.example.com',
        accessKeyId: 'key',
        secretAccessKeyPath: '/var/run/secrets/s3/secret',
        bucket: 'flows',
        batchSize: 5000,
        secure: true,
        format: 'ndjson.gz',
      },
    ],
  },
);

export type S3Options = Static<typeof S3Options>;
