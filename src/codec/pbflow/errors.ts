import { NetobservError } from '../../base/errors.ts';

export const PBFLOW_ERRORS = {
  /** A length or a number reaches beyond the end. */
  truncated: 'ERR_CODEC_PBFLOW_TRUNCATED',
  /** A tag, a wire type or a varint that no encoder makes. */
  syntax: 'ERR_CODEC_PBFLOW_SYNTAX',
  /** A record, text or list above this program's limits. */
  tooLong: 'ERR_CODEC_PBFLOW_TOO_LONG',
  /** A text is no UTF-8. */
  encoding: 'ERR_CODEC_PBFLOW_ENCODING',
  /** An address has neither 4 nor 16 bytes. */
  address: 'ERR_CODEC_PBFLOW_ADDRESS',
} as const;

export type PbflowErrorCode = (typeof PBFLOW_ERRORS)[keyof typeof PBFLOW_ERRORS];

export function pbflowError(code: PbflowErrorCode, message: string, at: number): NetobservError {
  return new NetobservError(code, `${message} at byte ${at}`, { details: { at } });
}
