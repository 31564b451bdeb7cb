import { Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';

export const StoreOptions = strictObject(
  {
    name: Type.String({
      minLength: 1,
      default: 'default',
      description: 'Name of the store. The program that runs the pipeline opens and names it.',
    }),
  },
  {
    description: 'Appends flows to a store of the program that runs the pipeline.',
    examples: [{ name: 'default' }],
  },
);
