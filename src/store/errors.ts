import { type ErrorContext, NetobservError } from '../base/errors.ts';

/** Codes of this folder. */
export const STORE_ERRORS = {
  /** Another process has the data folder open. */
  locked: 'ERR_STORE_LOCKED',
  diskFull: 'ERR_STORE_DISK_FULL',
  /** The data folder cannot be created, read or written. */
  access: 'ERR_STORE_ACCESS',
  /** Somebody removed or replaced the database while it was open. */
  removed: 'ERR_STORE_REMOVED',
  /** Written by a newer, or an unknown, version. */
  version: 'ERR_STORE_VERSION',
  corrupt: 'ERR_STORE_CORRUPT',
  /** More memory than the limit would be needed. */
  memory: 'ERR_STORE_MEMORY',
  /** Too many queries wait for their turn. */
  busy: 'ERR_STORE_BUSY',
  /** Used before `start` or after `stop`. */
  stopped: 'ERR_STORE_STOPPED',
  /** All ids of a dictionary have been given out. */
  ids: 'ERR_STORE_IDS',
  internal: 'ERR_STORE_INTERNAL',
} as const;

export type StoreErrorCode = (typeof STORE_ERRORS)[keyof typeof STORE_ERRORS];

export function storeError(
  code: StoreErrorCode,
  message: string,
  context: ErrorContext = {},
): NetobservError {
  return new NetobservError(code, message, context);
}
