import { NetobservError } from '../base/errors.ts';

/** Codes of this folder. */
export const PIPELINE_ERRORS = {
  /** A value of the wrong type, out of range, or missing. */
  option: 'ERR_PIPELINE_OPTION',
  keyUnknown: 'ERR_PIPELINE_KEY_UNKNOWN',
  typeUnknown: 'ERR_PIPELINE_TYPE_UNKNOWN',
  duration: 'ERR_PIPELINE_DURATION',
  stageUnknown: 'ERR_PIPELINE_STAGE_UNKNOWN',
  stageDuplicate: 'ERR_PIPELINE_STAGE_DUPLICATE',
  cycle: 'ERR_PIPELINE_CYCLE',
  noInput: 'ERR_PIPELINE_NO_INPUT',
  noOutput: 'ERR_PIPELINE_NO_OUTPUT',
  fieldKind: 'ERR_PIPELINE_FIELD_KIND',
  regex: 'ERR_PIPELINE_REGEX',
  cidr: 'ERR_PIPELINE_CIDR',
  storeUnknown: 'ERR_PIPELINE_STORE_UNKNOWN',
  metric: 'ERR_PIPELINE_METRIC',
} as const;

type PipelineErrorCode = (typeof PIPELINE_ERRORS)[keyof typeof PIPELINE_ERRORS];

/** An error in a configuration: where, what is wrong, what would be right. */
export function configError(
  code: PipelineErrorCode,
  path: string,
  problem: string,
  cause?: unknown,
): NetobservError {
  const message = path === '' ? problem : `${path}: ${problem}`;
  return new NetobservError(code, message, { cause, details: { path } });
}
