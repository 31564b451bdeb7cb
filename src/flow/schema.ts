import { assertExists } from '../base/assert.ts';
import { BatchLayout, type ColumnSpec } from './batch.ts';
import type { Feature } from './field.ts';
import { FIELDS, fieldByName } from './fields.ts';

/** A layout of fields of the table; naming another is a bug of the caller. */
export function layoutFor(names: readonly string[]): BatchLayout {
  return new BatchLayout(
    names.map((name): ColumnSpec => {
      const { kind } = assertExists(fieldByName(name), `field ${name} in the field table`);
      return { name, kind };
    }),
  );
}

/** Columns that the stages of the usual pipeline add to what an agent reports. */
const STANDARD_STAGE_FIELDS = [
  'SrcService',
  'DstService',
  'SrcSubnetLabel',
  'DstSubnetLabel',
] as const;

/** What an agent with these features fills, and what the usual stages add. */
export function agentLayout(features: ReadonlySet<Feature> = new Set()): BatchLayout {
  const standard: readonly string[] = STANDARD_STAGE_FIELDS;
  const fields = FIELDS.filter(({ name, producer, feature }) => {
    if (standard.includes(name)) return true;
    return producer === 'agent' && (feature === undefined || features.has(feature));
  });
  return layoutFor(fields.map((field) => field.name));
}
