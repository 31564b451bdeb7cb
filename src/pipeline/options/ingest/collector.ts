import { ipfixOptions } from './ipfix.ts';

export const CollectorOptions = ipfixOptions(
  'The same as `ipfix`, under the older name of flowlogs-pipeline.',
);
