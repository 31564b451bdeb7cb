import { strictObject } from '../../../config/schema.ts';

export const StdinOptions = strictObject(
  {},
  { description: 'Reads flows from standard input, each a JSON object in a line.', examples: [{}] },
);
