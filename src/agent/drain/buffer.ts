import { assert } from '../../base/assert.ts';
import type { InterfaceNames } from '../interfaces/names.ts';
import type { SharedBytes } from '../loader/native.ts';
import { flowKey, flowMetrics } from './layout.gen.ts';

/** Entries from the native drain: the same bytes as arrays of three widths. */
export class DrainBuffer {
  readonly capacity: number;
  /** Bytes of a value: `struct flow_metrics` and the extensions of the features that are on. */
  readonly valueBytes: number;
  readonly keys: SharedBytes;
  readonly values: SharedBytes;
  readonly keys16: Uint16Array;
  readonly keys32: Uint32Array;
  readonly values16: Uint16Array;
  readonly values32: Uint32Array;

  constructor(capacity: number, valueBytes: number = flowMetrics.sizeBytes) {
    assert(flowKey.sizeBytes % 4 === 0 && valueBytes % 8 === 0, 'entries are in words');
    this.capacity = capacity;
    this.valueBytes = valueBytes;
    this.keys = new Uint8Array(new SharedArrayBuffer(capacity * flowKey.sizeBytes));
    this.values = new Uint8Array(new SharedArrayBuffer(capacity * valueBytes));
    this.keys16 = new Uint16Array(this.keys.buffer);
    this.keys32 = new Uint32Array(this.keys.buffer);
    this.values16 = new Uint16Array(this.values.buffer);
    this.values32 = new Uint32Array(this.values.buffer);
  }
}

/** Reason of a drain, for metrics. Periodic drains have '', as in `netobserv-ebpf-agent`. */
export type DrainReason = '' | 'full' | 'asked' | 'closing';

/** Values that all flows of one drain share. */
export interface DrainFacts {
  readonly reason: DrainReason;
  readonly names: InterfaceNames;
  /** The agent's address as text; empty: unknown. */
  readonly agentIp: string;
  /** Add to milliseconds of the kernel's monotonic clock for epoch milliseconds. */
  readonly bootOffsetMs: number;
  readonly nowMs: number;
}
