import { NoneOptions } from '../options/transform/none.ts';
import { type StageType, stageType } from '../stage.ts';

/** Changes nothing: a name for a place in the graph. */
export const noneTransform: StageType = stageType({
  section: 'transform',
  type: 'none',
  schema: NoneOptions,
  create: () => [],
});
