import { defineErrors } from '../../base/errors.ts';

export const SFLOW_ERRORS = defineErrors('ERR_CODEC_SFLOW', {
  version: {
    kind: 'data',
    meaning: 'A datagram is not sFlow version 5.',
    remedy: 'Check what the agent sends to this port, and which version it is configured for.',
  },
  truncated: {
    kind: 'data',
    meaning:
      'A length or a count in a datagram reaches beyond the end of the datagram, of a sample or ' +
      'of a record.',
    remedy: 'Check the agent and what is between it and this program; the datagram is damaged.',
  },
  address: {
    kind: 'data',
    meaning: 'An address in a datagram is neither IPv4 nor IPv6.',
    remedy: 'Check the agent. Its sample, or its datagram, cannot be read.',
  },
  limit: {
    kind: 'limit',
    meaning:
      'The tables of agents or of their data sources are full, so that one was not kept: its ' +
      'flows are read, but what it lost is not counted.',
    remedy: 'Check that only agents can reach the port. Tables get room when entries expire.',
  },
});
