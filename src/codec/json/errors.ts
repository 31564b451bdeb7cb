import { NetobservError } from '../../base/errors.ts';

export const JSON_ERRORS = {
  tooLong: 'ERR_CODEC_JSON_TOO_LONG',
  encoding: 'ERR_CODEC_JSON_ENCODING',
  syntax: 'ERR_CODEC_JSON_SYNTAX',
  notObject: 'ERR_CODEC_JSON_NOT_OBJECT',
} as const;

export type JsonErrorCode = (typeof JSON_ERRORS)[keyof typeof JSON_ERRORS];

export function jsonError(code: JsonErrorCode, message: string, cause?: unknown): NetobservError {
  return new NetobservError(code, message, { cause });
}
