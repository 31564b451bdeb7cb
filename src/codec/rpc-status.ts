import { WIRE } from './wire.ts';
import { concat, field, numberField, textField } from './wire-writer.ts';

const MS_PER_S = 1000;
const NS_PER_MS = 1e6;
const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

/** `google.rpc.Status`, `Any`, `RetryInfo` and `Duration`. */
const STATUS = { code: (1 << 3) | WIRE.varint, message: (2 << 3) | WIRE.bytes };
const STATUS_DETAILS = (3 << 3) | WIRE.bytes;
const ANY = { type: (1 << 3) | WIRE.bytes, value: (2 << 3) | WIRE.bytes };
const RETRY_DELAY = (1 << 3) | WIRE.bytes;
const DURATION = { seconds: (1 << 3) | WIRE.varint, nanos: (2 << 3) | WIRE.varint };

/** A `google.rpc.Status`; `retryMs`: when the sender may try again. */
export function rpcStatus(
  code: number,
  message: string,
  retryMs?: number,
): Uint8Array<ArrayBuffer> {
  const status = concat(numberField(STATUS.code, code), textField(STATUS.message, message));
  if (retryMs === undefined) return status;
  const delay = concat(
    numberField(DURATION.seconds, Math.floor(retryMs / MS_PER_S)),
    numberField(DURATION.nanos, Math.round((retryMs % MS_PER_S) * NS_PER_MS)),
  );
  const info = field(ANY.value, field(RETRY_DELAY, delay));
  return concat(status, field(STATUS_DETAILS, concat(textField(ANY.type, RETRY_INFO), info)));
}
