import { Type } from 'typebox';
import type { ColumnSpec } from '../../flow/batch.ts';
import type { Feature } from '../../flow/field.ts';
import { FIELDS } from '../../flow/fields.ts';
import { type StageType, stageType } from '../stage.ts';

/** Reserved name of the in-process source: who embeds the pipeline hands it batches by `emit`. */
export const PRESET_INGESTER = 'preset-ingester';

/** The same source under a name of the configuration's choice. */
export const presetIngest: StageType = stageType({
  section: 'ingest',
  type: 'preset',
  schema: Type.Object({}, { additionalProperties: false }),
  create: () => [],
});

/** What an agent with these features can fill; without a set, with all of them. */
export function agentColumns(features?: ReadonlySet<Feature>): readonly ColumnSpec[] {
  return FIELDS.filter(({ producer, feature }) => {
    const isOn = features === undefined || feature === undefined || features.has(feature);
    return producer === 'agent' && isOn;
  }).map(({ name, kind }) => ({ name, kind }));
}
