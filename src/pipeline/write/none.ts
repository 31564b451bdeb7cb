import { NoneOptions } from '../options/write/none.ts';
import { type Sink, type StageType, stageType } from '../stage.ts';

/** Counts and forgets: for measuring what comes before it. */
export const noneWrite: StageType = stageType({
  section: 'write',
  type: 'none',
  schema: NoneOptions,
  create: (_options, context) => discards(context.name),
});

export function discards(name: string): Sink {
  return {
    kind: 'sink',
    name,
    reads: [],
    offer(batch, lease) {
      lease.arrived(batch.selected);
      return true;
    },
  };
}
