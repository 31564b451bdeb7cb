import { PresetOptions } from '../options/ingest/preset.ts';
import { type StageType, stageType } from '../stage.ts';

/** Reserved name of the in-process source: who embeds the pipeline hands it batches by `emit`. */
export const PRESET_INGESTER = 'preset-ingester';

/** The same source under a name of the configuration's choice. */
export const presetIngest: StageType = stageType({
  section: 'ingest',
  type: 'preset',
  schema: PresetOptions,
  create: () => [],
});
