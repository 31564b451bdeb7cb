import { defineErrors } from '../base/errors.ts';

export const NET_ERRORS = defineErrors('ERR_NET', {
  connect: {
    kind: 'unavailable',
    meaning: 'There is no connection to the peer. Another attempt may succeed.',
    remedy: 'Check the address and that the peer runs; the program tries again.',
  },
  send: {
    kind: 'unavailable',
    meaning: 'Data did not leave, or not completely. Another attempt may succeed.',
    remedy: 'Check the network and the peer; the program tries again.',
  },
  unanswered: {
    kind: 'unavailable',
    meaning:
      'Data left, but the peer did not answer in time. It may have arrived, so it is not sent ' +
      'again.',
    remedy: 'Check the load of the peer and of the network.',
  },
  refused: {
    kind: 'unavailable',
    meaning: 'The peer received the data and refuses it, or refuses the sender.',
    remedy: 'Read the reason in the message; check credentials, topic and limits at the peer.',
  },
  tls: {
    kind: 'usage',
    meaning: 'A certificate or key of a server cannot be read or is not valid PEM.',
    remedy: 'Correct the path or the file; the certificate and its key must belong together.',
  },
  request: {
    kind: 'data',
    meaning: 'A request to a server of this program cannot be used: its type, coding or body.',
    remedy: 'Read the reason in the answer, and correct the sender.',
  },
  tooLarge: {
    kind: 'limit',
    meaning: 'The body of a request is larger than the server takes.',
    remedy: 'Send fewer flows in a request.',
  },
  busy: {
    kind: 'unavailable',
    meaning: 'A server has no memory left for the bodies of more requests.',
    remedy: 'Send fewer requests at a time; senders try again.',
  },
  listen: {
    kind: 'usage',
    meaning: 'A server cannot receive on its address.',
    remedy: 'Check the address, and that no other program receives on the port.',
  },
});
