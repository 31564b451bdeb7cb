import { strictObject } from '../../../config/schema.ts';

/** Reserved name of the in-process source: the program hands its batches over by `emit`. */
export const PRESET_INGESTER = 'preset-ingester';

export const PresetOptions = strictObject(
  {},
  {
    description:
      'Takes the batches that the program hands over in its own process. A pipeline needs no such ' +
      `stage: the first stage may follow the reserved name ${PRESET_INGESTER}.`,
    examples: [{}],
  },
);
