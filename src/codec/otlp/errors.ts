import { defineErrors } from '../../base/errors.ts';

export const OTLP_ERRORS = defineErrors('ERR_CODEC_OTLP', {
  notFlow: {
    kind: 'data',
    meaning:
      'A log record is no flow: none of its attributes is a field of flows, and its body is no ' +
      'JSON object.',
    remedy: 'Send only the log records of flows to the stage.',
  },
  tooDeep: {
    kind: 'limit',
    meaning: 'Values in a log record are nested deeper than this program reads.',
    remedy: 'Check the sender; values of flows are nested twice at most.',
  },
  tooLong: {
    kind: 'limit',
    meaning: 'A log record is longer than this program reads.',
    remedy: 'Check the sender; a flow with all its fields has about 6 KB.',
  },
  syntax: {
    kind: 'data',
    meaning: 'A request in JSON does not have the form of an ExportLogsServiceRequest.',
    remedy: 'Check that the sender sends logs by OTLP.',
  },
});
