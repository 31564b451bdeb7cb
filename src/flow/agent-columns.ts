import type { ColumnSpec } from './batch.ts';
import type { Feature } from './field.ts';
import { FIELDS } from './fields.ts';

/** The columns that an agent with these features can fill; without a set, with all features. */
export function agentColumns(features?: ReadonlySet<Feature>): readonly ColumnSpec[] {
  return FIELDS.filter(({ producer, feature }) => {
    const isOn = features === undefined || feature === undefined || features.has(feature);
    return producer === 'agent' && isOn;
  }).map(({ name, kind }) => ({ name, kind }));
}
