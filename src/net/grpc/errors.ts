/** Codes of this folder. */
export const GRPC_ERRORS = {
  /** A certificate or key cannot be read or used. */
  tls: 'ERR_NET_GRPC_TLS',
  /** The server cannot be reached, or the connection broke. */
  unavailable: 'ERR_NET_GRPC_UNAVAILABLE',
  /** The server refused the call. */
  refused: 'ERR_NET_GRPC_REFUSED',
  /** The message is larger than the server takes. */
  tooLarge: 'ERR_NET_GRPC_TOO_LARGE',
  /** No answer within the deadline. */
  timeout: 'ERR_NET_GRPC_TIMEOUT',
  /** Called before `open` or after `close`. */
  closed: 'ERR_NET_GRPC_CLOSED',
} as const;
