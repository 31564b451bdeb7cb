import { strictObject } from '../../../config/schema.ts';

export const NoneOptions = strictObject(
  {},
  { description: 'Counts flows and discards them, like `write: none`.', examples: [{}] },
);
