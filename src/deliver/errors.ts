/** Codes of this folder. */
export const DELIVER_ERRORS = {
  /** Nobody reads what is written to a stream, or it cannot be written. */
  output: 'ERR_DELIVER_OUTPUT',
} as const;
