import { suggestion } from '../../base/suggest.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { StoreOptions } from '../options/write/store.ts';
import { type StageType, stageType } from '../stage.ts';

/** Appends to a store that whoever embeds the pipeline owns: it is started and stopped there. */
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
    return {
      kind: 'sink',
      name: context.name,
      reads: 'all',
      write: (batch) => store.append(batch),
      flush: () => store.flush(),
      ...(store.outcome === undefined ? {} : { outcome: () => store.outcome!() }),
    };
  },
});
