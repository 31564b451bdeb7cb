import type { FlowBatch } from '../../../../src/flow/batch.ts';
import type { FlowStore, StoreStatus } from '../../../../src/store/store.ts';
import { type Row, rowsOf } from './rows.ts';

/** A store that keeps rows, and that can be made to wait, to fail or to hang. */
export class MemoryStore implements FlowStore {
  readonly rows: Row[] = [];
  flushes = 0;
  appends = 0;
  /** If set, `append` waits for it before it keeps the rows. */
  gate: Promise<void> | undefined;
  failure: Error | undefined;

  async append(batch: FlowBatch): Promise<void> {
    this.appends++;
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    // Read only now: the batch must not be changed while the store has it.
    this.rows.push(...rowsOf(batch));
  }

  async flush(): Promise<void> {
    this.flushes++;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  records(): never {
    throw new Error('the memory store answers no queries');
  }

  metrics(): never {
    throw new Error('the memory store answers no queries');
  }

  values(): never {
    throw new Error('the memory store answers no queries');
  }

  status(): Promise<StoreStatus> {
    return Promise.resolve({ kind: 'memory', ready: true, rows: this.rows.length, sizeBytes: 0 });
  }
}
