import { NoneOptions } from '../options/extract/none.ts';
import { type StageType, stageType } from '../stage.ts';

/** Extracts nothing: flows go on as they are. */
export const noneExtract: StageType = stageType({
  section: 'extract',
  type: 'none',
  schema: NoneOptions,
  create: () => [],
});
