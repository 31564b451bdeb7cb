/** Codes of this folder. */
export const OVSDB_ERRORS = {
  /** What came is no JSON, or is longer than any message should be. */
  message: 'ERR_OVSDB_MESSAGE',
  /** The server answered a request with an error. */
  refused: 'ERR_OVSDB_REFUSED',
  /** The server could not be reached, hung up, or did not answer in time. */
  connection: 'ERR_OVSDB_CONNECTION',
} as const;
