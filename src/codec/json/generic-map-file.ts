import type { ProtoFile } from '../descriptor.ts';
import { ANY_FILE } from '../well-known-files.ts';

/** The protocol of flowlogs-pipeline's `write: grpc`. */
export const GENERIC_MAP_FILE: ProtoFile = {
  name: 'proto/genericmap.proto',
  package: 'genericmap',
  imports: [ANY_FILE],
  messages: { Flow: ['google.protobuf.Any genericMap = 1'], CollectorReply: [] },
  service: { name: 'Collector', method: 'Send', input: 'Flow', output: 'CollectorReply' },
};
