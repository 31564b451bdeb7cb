import { EntryReader } from '../../../src/kube/cache/entry-reader.ts';
import { readSync, readUpdate } from '../../../src/kube/cache/messages.ts';
import { PbSync, PbUpdate } from './k8scache-schema.ts';

const ALL = [{ inclusions: undefined, exclusions: [] }];

/** Messages of informers and of processors, for mutations. */
export const K8SCACHE_SAMPLES: readonly Uint8Array[] = [
  PbUpdate.encode({
    ...{ version: 3, is_snapshot: true, operation: 'OPERATION_ADD' },
    entries: [
      {
        ...{ kind: 'Pod', namespace: 'shop', name: 'web-1', uid: 'u-1', owner_kind: 'Job' },
        ...{ ips: ['10.0.0.1', 'fd00::1'], host_ip: '192.168.0.1', creation_timestamp: 1 },
        secondary_net_keys: ['net1~10.9.0.7~0a:58:0a:09:00:07', 'shop/blue~10.8.0.7'],
        secondary_net_names: { 'shop/blue~10.8.0.7': 'shop/blue' },
        ...{ labels: { app: 'web', tier: 'a' }, annotations: { note: 'x' }, terminated: true },
      },
      { kind: 'Node', name: 'n', labels: { 'topology.kubernetes.io/zone': 'eu-1' } },
    ],
  }),
  PbSync.encode({ request: { processor_id: 'p', last_version: 7 } }),
  PbSync.encode({ ack: { processor_id: 'p', version: 7, error: 'no' } }),
];

const reader = new EntryReader({
  ...{ configPath: '', managedCni: [], trackedKinds: [], labels: ALL, annotations: ALL },
  networks: [
    { mac: true, ip: true, interface: true, udn: false },
    { mac: false, ip: false, interface: false, udn: true },
  ],
});

export function readK8scache(bytes: Uint8Array, from: number, to: number): string {
  const message = bytes.slice(from, to);
  readSync(message);
  return String(readUpdate(message).entries.map((entry) => reader.read(entry).place).length);
}
