import { assertExists } from '../../../src/base/assert.ts';
import { BatchLayout, type ColumnSpec } from '../../../src/flow/batch.ts';
import { fieldByName } from '../../../src/flow/fields.ts';

/** A layout of fields of the table; an unknown name is a bug of the caller. */
export function layoutFor(names: readonly string[]): BatchLayout {
  return new BatchLayout(
    names.map((name): ColumnSpec => {
      const { kind } = assertExists(fieldByName(name), `field ${name} in the field table`);
      return { name, kind };
    }),
  );
}
