import { suggestion } from '../../base/suggest.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { BatchQueue } from '../graph/batch-queue.ts';
import { StoreOptions } from '../options/write/store.ts';
import { type StageType, stageType } from '../stage.ts';

/** Appends to a store that belongs to the owner of the pipeline, who starts and stops it. */
export const storeWrite: StageType = stageType({
  section: 'write',
  type: 'store',
  schema: StoreOptions,
  create(options, context) {
    const stores = context.deps.stores ?? {};
    const store = Object.hasOwn(stores, options.name) ? stores[options.name] : undefined;
    if (store === undefined) {
      const hint = suggestion(options.name, Object.keys(stores));
      const problem = `no store "${options.name}" here${hint}`;
      throw configError(PIPELINE_ERRORS.storeUnknown, `${context.path}.name`, problem);
    }
    const writer = {
      name: context.name,
      reads: store.columns ?? ('all' as const),
      write: (batch: FlowBatch) => store.append(batch),
      flush: () => store.flush(),
      ...(store.outcome === undefined ? {} : { outcome: () => store.outcome!() }),
    };
    return new BatchQueue(writer, context.deps);
  },
});
