import { NoneOptions } from '../options/encode/none.ts';
import { type StageType, stageType } from '../stage.ts';
import { discards } from '../write/none.ts';

/** The same as `write: none`. */
export const noneEncode: StageType = stageType({
  section: 'encode',
  type: 'none',
  schema: NoneOptions,
  create: (_options, context) => discards(context.name),
});
