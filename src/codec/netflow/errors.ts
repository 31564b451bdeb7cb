import { defineErrors } from '../../base/errors.ts';

export const NETFLOW_ERRORS = defineErrors('ERR_CODEC_NETFLOW', {
  version: {
    kind: 'data',
    meaning: 'A datagram is neither NetFlow 5, NetFlow 9 nor IPFIX.',
    remedy: 'Check what the exporter sends to this port.',
  },
  truncated: {
    kind: 'data',
    meaning:
      'A length or a count in a datagram reaches beyond the end of the datagram or of a set.',
    remedy: 'Check the exporter and what is between it and this program; the datagram is damaged.',
  },
  template: {
    kind: 'data',
    meaning:
      'A template has no fields, too many of them, records without bytes, or a wrong number.',
    remedy: 'Check the exporter. Flows that need this template cannot be read.',
  },
  limit: {
    kind: 'limit',
    meaning: 'The tables of exporters, templates or samplers are full, so that one was not kept.',
    remedy: 'Check that only exporters can reach the port. Tables get room when entries expire.',
  },
});
