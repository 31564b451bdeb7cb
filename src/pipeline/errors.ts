import { defineErrors, type ErrorRow, NetobservError } from '../base/errors.ts';

export const PIPELINE_ERRORS = defineErrors('ERR_PIPELINE', {
  option: {
    kind: 'usage',
    meaning: 'A value in the pipeline configuration is missing, out of range or of the wrong type.',
    remedy: 'Correct the value at the path in the message.',
  },
  keyUnknown: {
    kind: 'usage',
    meaning: 'A part of the pipeline configuration has a key that does not exist there.',
    remedy: 'Correct or remove the key.',
  },
  typeUnknown: {
    kind: 'usage',
    meaning: 'No stage or rule has this type.',
    remedy: 'Use one of the types in the message.',
  },
  duration: {
    kind: 'usage',
    meaning: 'A duration cannot be read.',
    remedy: 'Write it as a number with a unit, for example 30s or 5m.',
  },
  stageUnknown: {
    kind: 'usage',
    meaning: 'The pipeline refers to a stage that has no parameters.',
    remedy: 'Correct the name, or add the parameters of the stage.',
  },
  stageDuplicate: {
    kind: 'usage',
    meaning: 'Two stages have the same name.',
    remedy: 'Rename one of them.',
  },
  cycle: {
    kind: 'usage',
    meaning: 'Stages follow each other in a circle.',
    remedy: 'Remove one of the "follows" in the message.',
  },
  noInput: {
    kind: 'usage',
    meaning: 'A stage has no input, or the pipeline has no ingest stage.',
    remedy: 'Connect the stage with "follows", and begin the pipeline with an ingest stage.',
  },
  noOutput: {
    kind: 'usage',
    meaning: 'Flows of a stage go nowhere.',
    remedy: 'Let a write or an encode stage follow it.',
  },
  fieldKind: {
    kind: 'usage',
    meaning: 'A stage uses a field whose kind does not fit the operation.',
    remedy: 'Use a field of the kind that the message names.',
  },
  regex: {
    kind: 'usage',
    meaning: 'A regular expression cannot be compiled.',
    remedy: 'Correct the expression; it has the syntax of Go.',
  },
  expression: {
    kind: 'usage',
    meaning: 'A condition of a filter cannot be read.',
    remedy: 'Correct it at the character in the message; pipeline.gen.md has the language.',
  },
  cidr: {
    kind: 'usage',
    meaning: 'A network in the configuration is not a CIDR.',
    remedy: 'Write it as address and prefix length, for example 10.0.0.0/8.',
  },
  storeUnknown: {
    kind: 'usage',
    meaning: 'A write stage names a store that does not exist.',
    remedy: 'Use one of the names in the message.',
  },
  input: {
    kind: 'usage',
    meaning: 'The input of an ingest stage cannot be read.',
    remedy: 'Check the path and its permissions, and that the file is whole.',
  },
  messageEmpty: {
    kind: 'data',
    meaning: 'A message of a topic is empty, so it is not a flow.',
    remedy: 'Check what writes to the topic; messages without contents mark removed keys.',
  },
  busy: {
    kind: 'unavailable',
    meaning:
      'An ingest stage has no room for more calls, since its flows are not written fast enough.',
    remedy: 'Check the sinks of the pipeline; senders try again.',
  },
  exporters: {
    kind: 'usage',
    meaning: 'A file of exporters cannot be used.',
    remedy: 'Correct it at the places in the message; pipeline.gen.md has its form.',
  },
  networks: {
    kind: 'usage',
    meaning: 'A file of networks cannot be used.',
    remedy: 'Correct it at the places in the message: a list, in the form of subnetLabels.',
  },
  geo: {
    kind: 'usage',
    meaning: 'A database of places or autonomous systems cannot be used.',
    remedy:
      'Name a file in MaxMind’s format (MMDB), such as GeoLite2-City.mmdb or dbip-city.mmdb, or ' +
      'one of places in IP2Location’s (BIN), such as IP2LOCATION-LITE-DB5.BIN.',
  },
  extract: {
    kind: 'usage',
    meaning: 'Options of an extract stage contradict each other.',
    remedy: 'Correct the option at the path in the message.',
  },
  metric: {
    kind: 'usage',
    meaning: 'The definition of a metric contradicts itself or another one.',
    remedy: 'Correct the definition at the path in the message.',
  },
});

/** An error in a configuration: where, what is wrong, what would be right. */
export function configError(
  row: ErrorRow,
  path: string,
  problem: string,
  cause?: unknown,
): NetobservError {
  const message = path === '' ? problem : `${path}: ${problem}`;
  return new NetobservError(row, message, { cause, details: { path } });
}
