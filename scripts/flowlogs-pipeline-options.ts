/**
 * The options of flowlogs-pipeline's stages (87527833, August 2026), by section and type. A test
 * checks that each of them is known here.
 */
const TLS = ['tls', 'tls.insecureSkipVerify', 'tls.caCertPath', 'tls.userCertPath'].concat(
  'tls.userKeyPath',
);
const SASL = ['sasl', 'sasl.type', 'sasl.clientIDPath', 'sasl.clientSecretPath'];
const OTLP = ['address', 'port', 'connectionType', ...TLS, 'headers'];
const FILE = ['filename', 'decoder', 'decoder.type', 'loop', 'chunks'];

const METRIC = [
  ...['name', 'type', 'help', 'filters', 'filters[].key', 'filters[].value', 'filters[].type'],
  ...['valueKey', 'labels', 'remap', 'flatten', 'buckets', 'valueScale'],
].map((key) => `metrics[].${key}`);

const ROUTERS = [
  ...['hostName', 'port', 'portLegacy', 'workers', 'sockets', 'mapping', 'mapping[].penprovided'],
  ...['mapping[].field', 'mapping[].pen', 'mapping[].destination', 'mapping[].endianness'],
];

const KUBERNETES = [
  ...['ipField', 'interfacesField', 'udnsField', 'macField', 'output', 'assignee', 'add_zone'],
  ...['labels_prefix', 'label_inclusions', 'label_exclusions', 'label_value_max_length'],
  ...['annotations_prefix', 'annotation_inclusions', 'annotation_exclusions'],
  'annotation_value_max_length',
].map((key) => `rules[].kubernetes.${key}`);

const inputOutput = (rule: string, ...more: readonly string[]): readonly string[] =>
  ['input', 'output', ...more].map((key) => `rules[].${rule}.${key}`);

/** Paths of the options, by `section type`. */
export const FLOWLOGS_PIPELINE_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  'ingest file': FILE,
  'ingest file_loop': FILE,
  'ingest file_chunks': FILE,
  'ingest stdin': [],
  'ingest synthetic': ['connections', 'batchMaxLen', 'flowLogsPerMin'],
  'ingest ipfix': ROUTERS,
  'ingest collector': ROUTERS,
  'ingest kafka': [
    ...['brokers', 'topic', 'groupid', 'groupBalancers', 'startOffset', 'batchReadTimeout'],
    ...['decoder', 'decoder.type', 'batchMaxLen', 'pullQueueCapacity', 'pullMaxBytes'],
    ...['commitInterval', ...TLS, ...SASL],
  ],
  'ingest grpc': ['port', 'bufferLength', 'certPath', 'keyPath', 'clientCAPath'],
  'transform generic': [
    ...['policy', 'rules', 'rules[].input', 'rules[].output', 'rules[].multiplier'],
  ],
  'transform filter': [
    ...['rules', 'samplingField', 'rules[].removeField.input', 'rules[].removeEntry.input'],
    ...['rules[].removeEntry.value', 'rules[].removeEntry.castInt'],
    ...['rules[].removeEntryAllSatisfied', 'rules[].keepEntryQuery', 'rules[].keepEntrySampling'],
    ...['rules[].conditionalSampling', 'rules[].conditionalSampling[].value'],
    ...['rules[].conditionalSampling[].rules', 'rules[].addField.input', 'rules[].addField.value'],
    ...['rules[].addFieldIfDoesntExist.input', 'rules[].addFieldIfDoesntExist.value'],
    ...inputOutput('addFieldIf', 'parameters', 'assignee'),
    ...inputOutput('addRegexIf', 'parameters'),
    ...['rules[].addLabel.input', 'rules[].addLabel.value'],
    ...inputOutput('addLabelIf', 'parameters', 'assignee'),
  ],
  'transform network': [
    ...['rules', 'kubeConfig', 'kubeConfig.configPath', 'kubeConfig.secondaryNetworks'],
    ...['kubeConfig.secondaryNetworks[].name', 'kubeConfig.secondaryNetworks[].index'],
    ...['kubeConfig.managedCNI', 'kubeConfig.trackedKinds', 'servicesFile', 'protocolsFile'],
    ...['subnetLabels', 'subnetLabels[].name', 'subnetLabels[].cidrs', 'directionInfo'],
    ...['reporterIPField', 'srcHostField', 'dstHostField', 'flowDirectionField']
      .concat('ifDirectionField')
      .map((key) => `directionInfo.${key}`),
    ...inputOutput('add_subnet', 'subnet_mask'),
    ...inputOutput('add_location', 'file_path'),
    ...inputOutput('add_service', 'protocol'),
    ...inputOutput('add_subnet_label'),
    ...inputOutput('decode_tcp_flags'),
    ...KUBERNETES,
    ...['namespaceNameFields', 'namespaceNameFields[].name', 'namespaceNameFields[].namespace']
      .concat(
        'output',
        'infra_prefixes',
        'infra_refs',
        'infra_refs[].name',
        'infra_refs[].namespace',
      )
      .map((key) => `rules[].kubernetes_infra.${key}`),
  ],
  'transform none': [],
  'extract conntrack': [
    ...['keyDefinition', 'keyDefinition.fieldGroups', 'keyDefinition.fieldGroups[].name'],
    ...['keyDefinition.fieldGroups[].fields', 'keyDefinition.hash'],
    ...['fieldGroupRefs', 'fieldGroupARef', 'fieldGroupBRef'].map(
      (key) => `keyDefinition.hash.${key}`,
    ),
    ...['outputRecordTypes', 'outputFields'],
    ...['name', 'operation', 'splitAB', 'input', 'reportMissing'].map(
      (key) => `outputFields[].${key}`,
    ),
    'scheduling',
    ...['selector', 'endConnectionTimeout', 'terminatingTimeout', 'heartbeatInterval'].map(
      (key) => `scheduling[].${key}`,
    ),
    ...['maxConnectionsTracked', 'tcpFlags', 'tcpFlags.fieldName'],
    ...['tcpFlags.detectEndConnection', 'tcpFlags.swapAB'],
  ],
  'extract aggregates': [
    ...['defaultExpiryTime', 'rules', 'rules[].name', 'rules[].groupByKeys'],
    ...['rules[].operationType', 'rules[].operationKey', 'rules[].expiryTime'],
  ],
  'extract timebased': [
    ...['rules', 'rules[].name', 'rules[].indexKeys', 'rules[].indexKey', 'rules[].operationType'],
    ...['rules[].operationKey', 'rules[].topK', 'rules[].reversed', 'rules[].timeInterval'],
  ],
  'extract none': [],
  'encode prom': [
    ...['address', 'port', 'tls', 'tls.certPath', 'tls.keyPath', 'prefix', 'expiryTime'],
    ...['maxMetrics', 'metrics', ...METRIC],
  ],
  'encode kafka': [
    ...['address', 'topic', 'balancer', 'writeTimeout', 'readTimeout', 'batchBytes', 'batchSize'],
    ...['compression', ...TLS, ...SASL],
  ],
  'encode s3': [
    ...['account', 'endpoint', 'accessKeyId', 'secretAccessKey', 'bucket', 'writeTimeout'],
    ...['batchSize', 'secure', 'objectHeaderParameters'],
  ],
  'encode otlplogs': OTLP,
  'encode otlpmetrics': [
    ...[...OTLP, 'prefix', 'metrics', ...METRIC, 'pushTimeInterval', 'expiryTime'],
  ],
  'encode otlptraces': [...OTLP, 'spanSplitter'],
  'encode none': [],
  'write loki': [],
  'write stdout': ['format'],
  'write grpc': ['targetHost', 'targetPort'],
  'write ipfix': ['targetHost', 'targetPort', 'transport', 'enterpriseId', 'tplSendInterval'],
  'write none': [],
};
