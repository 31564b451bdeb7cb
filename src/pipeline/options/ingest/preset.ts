import { strictObject } from '../../../config/schema.ts';

export const PresetOptions = strictObject(
  {},
  {
    description:
      'Takes the batches that the program hands over in its own process. A pipeline needs no such ' +
      'stage: the first stage may follow the reserved name preset-ingester.',
    examples: [{}],
  },
);
