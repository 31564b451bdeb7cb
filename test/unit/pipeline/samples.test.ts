import { describe, expect, test } from 'vitest';
import { countries } from '../../../src/commands/assets.ts';
import { parseDocument } from '../../../src/config/document.ts';
import { checkFile } from '../../../src/pipeline/config.ts';
import { STAGE_TYPES } from '../../../src/pipeline/stages.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';

/** Pipelines of the kinds that flowlogs-pipeline and the programs around it bring along. */

const CONNTRACK = `
    extract:
      type: conntrack
      conntrack:
        keyDefinition:
          fieldGroups:
            - { name: src, fields: [SrcAddr, SrcPort] }
            - { name: dst, fields: [DstAddr, DstPort] }
            - { name: common, fields: [Proto] }
          hash: { fieldGroupRefs: [common], fieldGroupARef: src, fieldGroupBRef: dst }
        outputRecordTypes: [newConnection, heartbeat, endConnection, flowLog]
        outputFields:
          - { name: Bytes, operation: sum }
          - { name: Bytes, operation: sum, splitAB: true }
          - { name: Packets, operation: sum }
          - { name: Packets, operation: sum, splitAB: true }
          - { name: numFlowLogs, operation: count }
          - { name: TimeFlowStartMs, operation: min, reportMissing: true }
          - { name: TimeFlowEndMs, operation: max, reportMissing: true }
          - { name: FlowDirection, operation: first }
          - { name: AgentIP, operation: first }
          - { name: PktDropLatestState, operation: last }
          - { name: MaxTimeFlowRttNs, operation: max, input: TimeFlowRttNs }
        scheduling:
          - selector: { Proto: 17 }
            endConnectionTimeout: 5s
            heartbeatInterval: 40s
            terminatingTimeout: 5s
          - selector: {}
            endConnectionTimeout: 10s
            heartbeatInterval: 30s
            terminatingTimeout: 5s
        maxConnectionsTracked: 100000
        tcpFlags: { fieldName: Flags, detectEndConnection: true, swapAB: true }`;

const SAMPLES: Readonly<Record<string, string>> = {
  'the chain of the generator of configurations': `
log-level: error
pipeline:
  - name: ingest_collector
  - { name: transform_generic, follows: ingest_collector }
  - { name: extract_conntrack, follows: transform_generic }
  - { name: transform_network, follows: extract_conntrack }
  - { name: extract_aggregate, follows: transform_network }
  - { name: extract_timebased, follows: extract_aggregate }
  - { name: encode_prom, follows: extract_timebased }
  - { name: write_out, follows: transform_network }
parameters:
  - name: ingest_collector
    ingest:
      type: collector
      collector: { hostName: 0.0.0.0, port: 2055, portLegacy: 2056 }
  - name: transform_generic
    transform:
      type: generic
      generic:
        policy: replace_keys
        rules:
          - { input: SrcAddr, output: SrcAddr }
          - { input: SrcPort, output: SrcPort }
          - { input: DstAddr, output: DstAddr }
          - { input: DstPort, output: DstPort }
          - { input: Proto, output: Proto }
          - { input: Bytes, output: Bytes }
          - { input: Packets, output: Packets }
          - { input: TimeFlowStartMs, output: TimeFlowStartMs }
          - { input: TimeFlowEndMs, output: TimeFlowEndMs }
          - { input: TcpFlags, output: Flags }
  - name: extract_conntrack${CONNTRACK}
  - name: transform_network
    transform:
      type: network
      network:
        kubeConfig: { configPath: '' }
        rules:
          - type: add_kubernetes
            kubernetes: { ipField: SrcAddr, output: SrcK8S, labels_prefix: srcK8S_labels }
          - type: add_service
            add_service: { input: DstPort, output: Service, protocol: Proto }
          - type: add_subnet
            add_subnet: { input: DstAddr, output: DstSubnet24, subnet_mask: /24 }
          - type: add_location
            add_location: { input: DstAddr, output: dstLocation }
  - name: extract_aggregate
    extract:
      type: aggregates
      aggregates:
        defaultExpiryTime: 2m
        rules:
          - name: bandwidth_by_subnet
            groupByKeys: [DstSubnet24, SrcAddr]
            operationType: sum
            operationKey: Bytes
          - name: connection_size
            groupByKeys: [_RecordType]
            operationType: raw_values
            operationKey: Bytes
            expiryTime: 30s
  - name: extract_timebased
    extract:
      type: timebased
      timebased:
        rules:
          - name: top_talkers
            indexKeys: [aggregate]
            operationType: last
            operationKey: total_value
            topK: 5
            reversed: false
            timeInterval: 10m
  - name: encode_prom
    encode:
      type: prom
      prom:
        address: 127.0.0.1
        port: 0
        prefix: flp_
        expiryTime: 2m
        maxMetrics: 10000
        metrics:
          - name: top_talkers
            type: gauge
            filters: [{ key: name, value: top_talkers }]
            valueKey: total_value
            labels: [aggregate]
          - name: connection_size
            type: agg_histogram
            filters: [{ key: name, value: connection_size, type: equal }]
            valueKey: recent_raw_values
            labels: [by]
            buckets: [1024, 4096, 16384]
  - name: write_out
    write: { type: stdout, stdout: { format: fields } }
metricsSettings: { port: 9102, prefix: flp_op_, suppressDefaultMetrics: true }
`,
  'flows from a topic to metrics, another topic and objects': `
pipeline:
  - { name: enrich, follows: kafka-read }
  - { name: sampled, follows: enrich }
  - { name: kafka-write, follows: sampled }
  - { name: objects, follows: sampled }
  - { name: prometheus, follows: enrich }
parameters:
  - name: kafka-read
    ingest:
      type: kafka
      kafka:
        brokers: ['kafka:9092']
        topic: flows
        groupid: flowlogs-pipeline
        groupBalancers: [range, roundRobin]
        startOffset: FirstOffset
        batchReadTimeout: 1000
        decoder: { type: protobuf }
        batchMaxLen: 500
        pullQueueCapacity: 1000
        pullMaxBytes: 10485760
        commitInterval: 500
  - name: enrich
    transform:
      type: network
      network:
        directionInfo:
          reporterIPField: AgentIP
          srcHostField: SrcK8S_HostIP
          dstHostField: DstK8S_HostIP
          flowDirectionField: FlowDirection
        kubeConfig:
          managedCNI: [ovn]
          trackedKinds: [ReplicaSet, Deployment, Gateway]
          secondaryNetworks: [{ name: my-net, index: { mac: null, udn: null } }]
        subnetLabels:
          - { name: Services, cidrs: [172.30.0.0/16] }
          - { name: 'EXT:ExternalIP', cidrs: [] }
        rules:
          - type: add_kubernetes
            kubernetes:
              ipField: SrcAddr
              macField: SrcMac
              interfacesField: Interfaces
              udnsField: Udns
              output: SrcK8S
              add_zone: true
          - type: add_kubernetes
            kubernetes: { ipField: DstAddr, macField: DstMac, output: DstK8S }
          - type: reinterpret_direction
          - type: decode_tcp_flags
            decode_tcp_flags: { input: Flags, output: Flags }
          - type: add_kubernetes_infra
            kubernetes_infra:
              namespaceNameFields:
                - { namespace: SrcK8S_Namespace, name: SrcK8S_Name }
                - { namespace: DstK8S_Namespace, name: DstK8S_Name }
              output: K8S_FlowLayer
              infra_prefixes: [netobserv, openshift]
              infra_refs: [{ namespace: default, name: kubernetes }]
          - type: add_subnet_label
            add_subnet_label: { input: SrcAddr, output: SrcSubnetLabel }
  - name: sampled
    transform:
      type: filter
      filter:
        samplingField: Sampling
        rules:
          - type: keep_entry_query
            keepEntryQuery: SrcK8S_Namespace="prod" and (DstPort=443 or with(DnsId))
            keepEntrySampling: 2
          - type: remove_entry_all_satisfied
            removeEntryAllSatisfied:
              - type: remove_entry_if_equal
                removeEntry: { input: FlowDirection, value: 1, castInt: true }
              - type: remove_entry_if_exists
                removeEntry: { input: DstK8S_OwnerName }
          - type: conditional_sampling
            conditionalSampling:
              - value: 50
                rules:
                  - type: remove_entry_if_doesnt_exist
                    removeEntry: { input: SrcK8S_Name }
          - type: add_field_if_doesnt_exist
            addFieldIfDoesntExist: { input: K8S_ClusterName, value: east }
  - name: kafka-write
    encode:
      type: kafka
      kafka:
        address: kafka:9092
        topic: enriched
        balancer: roundRobin
        writeTimeout: 5
        compression: snappy
  - name: objects
    encode:
      type: s3
      s3:
        account: tenant
        endpoint: minio:9000
        accessKeyId: id
        secretAccessKey: key
        bucket: flows
        writeTimeout: 60s
        batchSize: 1000
        objectHeaderParameters: { instanceCRN: crn-1 }
  - name: prometheus
    encode:
      type: prom
      prom:
        prefix: netobserv_
        metrics:
          - name: namespace_network_policy_events_total
            type: counter
            flatten: [NetworkEvents]
            filters: [{ key: NetworkEvents>Feature, value: acl, type: equal }]
            labels: [SrcK8S_Namespace, NetworkEvents>Type, NetworkEvents>Action]
            remap: { NetworkEvents>Type: type, NetworkEvents>Action: action }
          - name: namespace_rtt_seconds
            type: histogram
            valueKey: TimeFlowRttNs
            valueScale: 1000000000
            filters: [{ key: TimeFlowRttNs, type: presence }]
            labels: [SrcK8S_Namespace]
            buckets: [.005, .01, .05, .1, 1]
metricsSettings: { port: 9401, prefix: netobserv_, noPanic: true }
`,
  'flows for receivers of OpenTelemetry': `
pipeline:
  - { name: rename, follows: grpc }
  - { name: logs, follows: rename }
  - { name: metrics, follows: rename }
  - { name: traces, follows: rename }
parameters:
  - { name: grpc, ingest: { type: grpc, grpc: { port: 2055, bufferLength: 10 } } }
  - name: rename
    transform:
      type: generic
      generic:
        policy: replace_keys
        rules:
          - { input: SrcAddr, output: source.address }
          - { input: Bytes, output: bytes }
          - { input: TimeFlowRttNs, output: tcp.rtt, multiplier: 0.000001 }
  - name: logs
    encode:
      type: otlplogs
      otlplogs: { address: otel, port: 4317, connectionType: grpc, headers: { X-Tenant: a } }
  - name: metrics
    encode:
      type: otlpmetrics
      otlpmetrics:
        address: otel
        port: 4318
        connectionType: http
        prefix: netobserv_
        pushTimeInterval: 20s
        expiryTime: 2m
        metrics:
          - { name: bytes_total, type: counter, valueKey: bytes, labels: [source.address] }
          - { name: last_bytes, type: gauge, valueKey: bytes }
  - name: traces
    encode:
      type: otlptraces
      otlptraces:
        address: otel
        port: 4317
        connectionType: grpc
        spanSplitter: [source, destination]
`,
  'flows of a file, to a collector of IPFIX and to the screen': `
{ "pipeline": [ { "name": "file" }, { "name": "labels", "follows": "file" },
    { "name": "ipfix", "follows": "labels" }, { "name": "screen", "follows": "labels" } ],
  "parameters": [
    { "name": "file", "ingest": { "type": "file_loop",
      "file_loop": { "filename": "flows.json", "decoder": { "type": "json" } } } },
    { "name": "labels", "transform": { "type": "filter", "filter": { "rules": [
      { "type": "add_regex_if", "addRegexIf":
        { "input": "SrcAddr", "output": "Local", "parameters": "^10\\\\." } },
      { "type": "add_field_if", "addFieldIf":
        { "input": "DstPort", "output": "Dir", "parameters": "==80", "assignee": "in" } },
      { "type": "add_label", "addLabel": { "input": "kind", "value": "flow" } },
      { "type": "add_label_if", "addLabelIf":
        { "input": "Bytes", "output": "size", "parameters": ">1000", "assignee": "large" } },
      { "type": "remove_field", "removeField": { "input": "DstPort" } } ] } } },
    { "name": "ipfix", "write": { "type": "ipfix", "ipfix": { "targetHost": "collector",
      "targetPort": 4739, "transport": "udp", "enterpriseId": 2, "tplSendInterval": "30s" } } },
    { "name": "screen", "write": { "type": "stdout", "stdout": { "format": "printf" } } } ] }
`,
  'an agent that captures for the command line': `
{ "pipeline": [ { "name": "enrich", "follows": "preset-ingester" },
    { "name": "filter", "follows": "enrich" }, { "name": "send", "follows": "filter" } ],
  "parameters": [
    { "name": "enrich", "transform": { "type": "network", "network": { "rules": [
      { "type": "add_kubernetes", "kubernetes": { "ipField": "SrcAddr", "output": "SrcK8S" } },
      { "type": "add_kubernetes", "kubernetes":
        { "ipField": "DstAddr", "output": "DstK8S", "assignee": "otel" } } ] } } },
    { "name": "filter", "transform": { "type": "filter", "filter": { "rules": [
      { "type": "keep_entry_query", "keepEntryQuery": "SrcK8S_Name=~\\"web.*\\" or Proto=17" }
    ] } } },
    { "name": "send", "write": { "type": "grpc",
      "grpc": { "targetHost": "127.0.0.1", "targetPort": 9999 } } } ] }
`,
};

describe.each(Object.entries(SAMPLES))('%s', (_name, text) => {
  test('loads, with every stage', () => {
    const { config } = checkFile(parseDocument('sample.yaml', text), STAGE_TYPES);
    const plan = testPipeline(config, { countries }).pipeline.plan();
    for (const { name } of config.parameters) expect(plan).toContain(name);
  });
});

test('write: loki, which is not there, is named with its line', () => {
  const text = `pipeline: [{ name: loki, follows: preset-ingester }]
parameters:
  - name: loki
    write:
      type: loki
      loki: { url: 'http://loki:3100', labels: [SrcK8S_Namespace] }
`;
  expect(() => checkFile(parseDocument('sample.yaml', text), STAGE_TYPES)).toThrow(
    /sample\.yaml:5:13 parameters\[0\]\.write\.type: unknown type "loki"/,
  );
});
