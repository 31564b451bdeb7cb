import { Type } from 'typebox';
import { type StageType, stageType } from '../stage.ts';

/** Counts and forgets: for measuring what comes before it. */
export const noneWrite: StageType = stageType({
  section: 'write',
  type: 'none',
  schema: Type.Object({}, { additionalProperties: false }),
  create: (_options, context) => ({
    kind: 'sink',
    name: context.name,
    reads: [],
    offer(batch, lease) {
      lease.arrived(batch.selected);
      return true;
    },
  }),
});
