import { defineErrors } from '../../base/errors.ts';

export const ENVELOPE_ERRORS = defineErrors('ERR_CODEC_ENVELOPE', {
  version: {
    kind: 'data',
    meaning: 'A message is not a datagram that `ingest: datagrams` has put into the topic.',
    remedy:
      'Check what else writes to the topic, and that the readers are at least as new as the ' +
      'writers: `deploy/reference/datagrams.md` has the format.',
  },
  field: {
    kind: 'data',
    meaning: 'A datagram in a topic has an address, a port or a time that cannot be.',
    remedy: 'Check what writes to the topic: `deploy/reference/datagrams.md` has the format.',
  },
});
