/** Codes of this folder. */
export const TELEMETRY_ERRORS = {
  metricDuplicate: 'ERR_TELEMETRY_METRIC_DUPLICATE',
  listen: 'ERR_TELEMETRY_LISTEN',
  tls: 'ERR_TELEMETRY_TLS',
  /** A file that standard output or error goes to cannot be written now. */
  output: 'ERR_OUTPUT',
  /** A file that is read whole is too large, or a pipe without contents. */
  file: 'ERR_FILE',
} as const;
