/** Codes of this folder. */
export const NET_ERRORS = {
  /** No connection to the peer; trying again may help. */
  connect: 'ERR_NET_CONNECT',
  /** What was to be sent did not leave, or not as a whole; sending it again may help. */
  send: 'ERR_NET_SEND',
  /** It left and the peer did not answer: it may have arrived, and is not to be sent again. */
  unanswered: 'ERR_NET_UNANSWERED',
  /** The peer got it and refuses it, or refuses whom it is from. */
  refused: 'ERR_NET_REFUSED',
} as const;
