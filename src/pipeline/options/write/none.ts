import { strictObject } from '../../../config/schema.ts';

export const NoneOptions = strictObject(
  {},
  {
    description: 'Counts flows and discards them. Measures the cost of the stages before it.',
    examples: [{}],
  },
);
