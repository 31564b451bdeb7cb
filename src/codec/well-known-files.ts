import type { ProtoFile } from './descriptor.ts';

const google = (name: string, message: string, fields: readonly string[]): ProtoFile => ({
  name: `google/protobuf/${name}.proto`,
  package: 'google.protobuf',
  messages: { [message]: fields },
});

const SPAN = ['int64 seconds = 1', 'int32 nanos = 2'];
export const TIMESTAMP_FILE: ProtoFile = google('timestamp', 'Timestamp', SPAN);
export const DURATION_FILE: ProtoFile = google('duration', 'Duration', SPAN);
export const ANY_FILE: ProtoFile = google('any', 'Any', ['string type_url = 1', 'bytes value = 2']);
