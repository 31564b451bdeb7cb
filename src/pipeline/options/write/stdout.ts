import type { Static } from 'typebox';
import { strictObject, word } from '../../../config/schema.ts';

export const StdoutOptions = strictObject(
  {
    format: word(['printf', 'json', 'fields'], {
      default: 'printf',
      description:
        'json: one JSON object per flow and line. printf: one line of text per flow. ' +
        'fields: a table of fields per flow.',
    }),
  },
  { description: 'Writes flows to standard output.', examples: [{ format: 'json' }] },
);

export type StdoutOptions = Static<typeof StdoutOptions>;
