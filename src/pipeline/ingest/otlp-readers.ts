import { explain } from '../../base/errors.ts';
import { refusalAnswer } from '../../codec/otlp/answer.ts';
import { flowOfJson, logsOfJson } from '../../codec/otlp/json-logs.ts';
import { LogReader } from '../../codec/otlp/log-reader.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { appendRow, type CoercionFailures } from '../../flow/row.ts';
import type { MessageReaderOf } from './intake.ts';
import { stampReceived } from './json-flows.ts';

/** Log records as protobuf. */
export const protobufLogReader: MessageReaderOf = (layout, { counts }, refusals) => {
  const reader = new LogReader(layout);
  const left = new LeftOut((error) => refusals.refuse(error, {}));
  return {
    open(message) {
      left.clear();
      reader.open(message);
    },
    next(batch, nowMs) {
      while (batch.length < batch.capacity) {
        if (!reader.find()) return false;
        try {
          reader.add(batch, left.failures);
          stampReceived(batch, batch.length - 1, nowMs);
        } catch (error) {
          reader.skip();
          left.add(error);
        }
      }
      return true;
    },
    count: (batch) => left.count(batch, counts),
    answer: () => refusalAnswer(left.records, left.reason),
  };
};

/** Log records as JSON. */
export const jsonLogReader: MessageReaderOf = (_layout, { counts }, refusals) => {
  const left = new LeftOut((error) => refusals.refuse(error, {}));
  let records: readonly unknown[] = [];
  let at = 0;
  return {
    open(message) {
      left.clear();
      at = 0;
      records = logsOfJson(message);
    },
    next(batch, nowMs) {
      while (batch.length < batch.capacity) {
        if (at === records.length) return false;
        try {
          appendRow(batch, flowOfJson(records[at++]), left.failures);
          stampReceived(batch, batch.length - 1, nowMs);
        } catch (error) {
          left.add(error);
        }
      }
      return true;
    },
    count: (batch) => left.count(batch, counts),
    answer() {
      records = [];
      const partialSuccess = {
        rejectedLogRecords: String(left.records),
        errorMessage: left.reason,
      };
      return new TextEncoder().encode(JSON.stringify(left.records === 0 ? {} : { partialSuccess }));
    },
  };
};

/** What a message has that did not become a flow, or a value of one. */
class LeftOut {
  readonly failures: CoercionFailures = new Map();
  records = 0;
  /** Why the first record was left out. */
  reason = '';
  readonly #refuse: (error: unknown) => void;

  constructor(refuse: (error: unknown) => void) {
    this.#refuse = refuse;
  }

  clear(): void {
    this.records = 0;
    this.reason = '';
    this.failures.clear();
  }

  add(error: unknown): void {
    if (this.records++ === 0) this.reason = explain(error);
    this.#refuse(error);
  }

  count(
    batch: FlowBatch,
    counts: { ingested(flows: number): void; unconverted(field: string, values: number): void },
  ): void {
    counts.ingested(batch.length);
    for (const [field, values] of this.failures) counts.unconverted(field, values);
    this.failures.clear();
  }
}
