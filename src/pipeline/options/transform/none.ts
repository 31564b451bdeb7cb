import { strictObject } from '../../../config/schema.ts';

export const NoneOptions = strictObject(
  {},
  { description: 'Passes flows on as they are.', examples: [{}] },
);
