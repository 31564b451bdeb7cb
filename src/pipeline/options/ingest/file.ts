import { type Static, Type } from 'typebox';
import { strictObject, word } from '../../../config/schema.ts';

const Decoder = strictObject(
  {
    type: word(['json'], {
      default: 'json',
      description: 'json: each line is a JSON object with the fields of one flow.',
    }),
  },
  { default: {}, description: 'The form of the flows.' },
);

/** The options of the stages that read a file. */
export function fileOptions(description: string) {
  return strictObject(
    {
      filename: Type.String({
        minLength: 1,
        description: 'Path of the file. It may be compressed by gzip or zstd.',
      }),
      decoder: Decoder,
      follow: Type.Boolean({
        default: false,
        description:
          'Go on with what is appended to the file, and with a new file in its place, as ' +
          '`tail -F` does. Not for compressed files.',
      }),
      loop: Type.Optional(
        Type.Boolean({
          description: 'Accepted for configurations of flowlogs-pipeline. Use the type file_loop.',
        }),
      ),
      chunks: Type.Optional(
        Type.Integer({
          minimum: 0,
          description: 'Accepted for configurations of flowlogs-pipeline. Has no effect.',
        }),
      ),
    },
    { description, examples: [{ filename: '/var/log/flows.json.gz' }] },
  );
}

export const FileOptions = fileOptions('Reads flows from a file, once.');

export type FileOptions = Static<typeof FileOptions>;
