import protobuf from 'protobufjs';

/** The protocol k8scache of flowlogs-pipeline for protobufjs, a third-party encoder. */
const K8SCACHE = `
syntax = "proto3";
package k8scache;

enum OperationType {
  OPERATION_UNSPECIFIED = 0; OPERATION_ADD = 1; OPERATION_UPDATE = 2; OPERATION_DELETE = 3;
}
message SyncMessage { oneof message { SyncRequest request = 1; SyncAck ack = 2; } }
message SyncRequest { string processor_id = 1; int64 last_version = 2; }
message SyncAck { string processor_id = 1; int64 version = 2; bool success = 3; string error = 4; }
message CacheUpdate {
  int64 version = 1; bool is_snapshot = 2; repeated ResourceEntry entries = 3;
  OperationType operation = 4;
}
message ResourceEntry {
  string kind = 1; string namespace = 2; string name = 3; string uid = 4;
  string owner_name = 5; string owner_kind = 6; string host_name = 7; string host_ip = 8;
  string network_name = 9;
  repeated string ips = 10; repeated string secondary_net_keys = 11;
  map<string, string> labels = 12; map<string, string> annotations = 13;
  int64 creation_timestamp = 14; string resource_version = 15;
  map<string, string> secondary_net_names = 16; bool terminated = 17;
}
`;

const { root } = protobuf.parse(K8SCACHE, { keepCase: true });

/** An object as JSON, with the names of the protocol. */
export type Json = Readonly<Record<string, unknown>>;

interface Codec {
  encode(value: Json): Buffer;
  decode(bytes: Uint8Array): Json;
}

function codec(name: string): Codec {
  const type = root.lookupType(`k8scache.${name}`);
  return {
    encode: (value) => Buffer.from(type.encode(type.fromObject(value)).finish()),
    decode: (bytes) => type.toObject(type.decode(bytes), { longs: Number, enums: String }) as Json,
  };
}

export const PbSync: Codec = codec('SyncMessage');
export const PbUpdate: Codec = codec('CacheUpdate');
export const PbEntry: Codec = codec('ResourceEntry');
