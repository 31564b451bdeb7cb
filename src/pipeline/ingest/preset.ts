import { PresetOptions } from '../options/ingest/preset.ts';
import { type StageType, stageType } from '../stage.ts';

/** The in-process source, under a name from the configuration. */
export const presetIngest: StageType = stageType({
  section: 'ingest',
  type: 'preset',
  schema: PresetOptions,
  create: () => [],
});
