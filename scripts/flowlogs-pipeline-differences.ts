/** A defect or an oddity of flowlogs-pipeline, and the decision about it. */
export interface Difference {
  /** `section type` of a stage, or a part of the program. */
  readonly where: string;
  /** The option that it is about. */
  readonly option?: string;
  readonly there: string;
  readonly here: string;
  /** Shows what is said of ours: file below test, and name of a test in it. */
  readonly test: readonly [file: string, name: string];
}

const PROM = 'unit/pipeline/encode/prom/prom.test.ts';
const FILTER = 'unit/pipeline/transform/filter/filter.test.ts';
const CONNTRACK = 'unit/pipeline/extract/conntrack/conntrack.test.ts';
const INDEX = 'unit/kube/index/cluster-index.test.ts';
const OTLP = 'integration/pipeline/otlp.test.ts';

/** In the order of a configuration. */
export const FLOWLOGS_PIPELINE_DIFFERENCES: readonly Difference[] = [
  {
    where: 'configuration',
    there: 'turns keys of maps, such as selectors, headers and labels, into lower case',
    here: 'keys keep their case',
    test: ['unit/pipeline/config.test.ts', 'map keys keep their case'],
  },
  {
    where: 'configuration',
    there: 'takes a number without a unit for nanoseconds',
    here: 'refuses it, and names the unit',
    test: ['unit/pipeline/options.test.ts', 'editors take durations with a unit'],
  },
  {
    where: 'configuration',
    there: 'ignores unknown keys at the top, and panics at an unknown type',
    here: 'refuses both, with their lines',
    test: ['unit/pipeline/mutated-files.test.ts', 'each mistake is named with its line'],
  },
  {
    where: 'configuration',
    there: 'has `perfSettings`, which no file can set',
    here: 'accepts the key, and warns that it has no effect',
    test: [
      'unit/commands/agent/direct.test.ts',
      'what only a program by itself makes use of is said to have no effect',
    ],
  },
  {
    where: 'ingest file',
    option: 'decoder.type',
    there: 'knows `protobuf`, which cannot stand in lines',
    here: '`json` alone; `protobuf` is refused',
    test: ['integration/pipeline/file.test.ts', 'protobuf has no lines'],
  },
  {
    where: 'ingest grpc',
    there:
      'crashes on a record without `network` or `transport`; cuts packets to 32 bits, drops to 16',
    here: 'reads each record, with numbers as they are',
    test: ['unit/codec/pbflow/fuzz.test.ts', 'inputs that nobody would send are decoded'],
  },
  {
    where: 'ingest ipfix',
    there: 'gives `NextHop` and `BgpNextHop` as raw octets',
    here: 'gives them as text',
    test: ['unit/codec/netflow/elements.test.ts', 'elements'],
  },
  {
    where: 'ingest kafka',
    there: 'acknowledges flows when it reads them, so the end of the program loses some',
    here: 'acknowledges them when every branch has settled them',
    test: ['services/kafka/ingest.test.ts', 'what is on its way at the end is written first'],
  },
  {
    where: 'ingest kafka',
    option: 'batchReadTimeout',
    there: 'logs the option, and does nothing else with it',
    here: 'a broker waits that long for messages',
    test: ['unit/pipeline/ingest/kafka.test.ts', '0 stands for the default'],
  },
  {
    where: 'transform network',
    option: 'subnetLabels',
    there: 'takes the first network that has an address, and remembers addresses without a bound',
    here: 'takes the longest prefix',
    test: ['unit/pipeline/transform/network/subnet-trie.test.ts', 'finds the longest prefix'],
  },
  {
    where: 'transform network',
    option: 'rules[].add_service.output',
    there: 'writes an empty text for a port without a name',
    here: 'writes nothing for a port without a name',
    test: [
      'unit/pipeline/transform/network/services-file.test.ts',
      'servicesFile and protocolsFile',
    ],
  },
  {
    where: 'transform network',
    option: 'rules[].decode_tcp_flags.input',
    there: 'skips flags that came as JSON',
    here: 'reads flags of any source',
    test: ['unit/pipeline/write/stdout.test.ts', 'after decode_tcp_flags in place'],
  },
  {
    where: 'transform network',
    option: 'rules[].kubernetes.assignee',
    there: 'leaves `k8s.pod.uid` and its like empty',
    here: 'fills `k8s.pod.uid` and its like',
    test: ['unit/pipeline/transform/network/kubernetes.test.ts', 'assignee: otel'],
  },
  {
    where: 'transform network',
    there: 'names the pod that has an address now, also one that has ended',
    here: 'names the pod that had the address when the flow began',
    test: [INDEX, 'the next owner of an address does not inherit flows, nor leave its own'],
  },
  {
    where: 'transform network',
    there: 'takes the second address of a node for that of one of its pods',
    here: 'names the node, in both families',
    test: [INDEX, 'a pod has its own, in both families; the host network names the node'],
  },
  {
    where: 'transform network',
    there: 'knows the cluster addresses of services alone',
    here: 'knows their external and load balancer addresses as well',
    test: [INDEX, 'a service has its cluster, external and load balancer addresses'],
  },
  {
    where: 'transform filter',
    option: 'rules[].removeEntry.value',
    there: 'compares types as well, so a number never equals one that an agent sent',
    here: 'compares values',
    test: [FILTER, 'castInt: %s: numbers compare by value'],
  },
  {
    where: 'transform filter',
    option: 'rules[].addLabelIf.output',
    there: 'writes labels in any order',
    here: 'labels have the order of the rules',
    test: [FILTER, 'fields and labels are added where the input compares well'],
  },
  {
    where: 'transform filter',
    option: 'rules[].keepEntryQuery',
    there: '`or` binds tighter than `and`, and no page says so',
    here: 'the same precedence, on the page',
    test: [
      'unit/pipeline/transform/filter/expression.test.ts',
      'or binds tighter than and, as in the tables of flowlogs-pipeline',
    ],
  },
  {
    where: 'transform generic',
    option: 'rules[].multiplier',
    there: 'keeps the type, so small types overflow',
    here: 'a product is a number of any size',
    test: [
      'unit/pipeline/equivalence.test.ts',
      'the compiled pipeline does what the interpreter does, across table rotations',
    ],
  },
  {
    where: 'extract conntrack',
    there: 'ends connections only while flows come, and none at the end',
    here: 'ends them by the clock, and all at the end',
    test: [CONNTRACK, 'connections end and beat by the clock, without any traffic'],
  },
  {
    where: 'extract conntrack',
    there: 'drops flows of other protocols from `flowLog` records',
    here: 'echoes them',
    test: [CONNTRACK, 'echoes all flows; duplicates and other protocols belong to no connection'],
  },
  {
    where: 'extract conntrack',
    option: 'keyDefinition.fieldGroups[].fields',
    there: 'the same value has another hash as JSON than from an agent',
    here: 'the hash depends on the value alone',
    test: [
      'unit/pipeline/extract/conntrack/hash.test.ts',
      'the hash does not depend on the kind of the columns',
    ],
  },
  {
    where: 'extract aggregates',
    option: 'defaultExpiryTime',
    there: 'ignores the option',
    here: 'heeds the option, which flowlogs-pipeline ignores',
    test: [
      'unit/pipeline/extract/aggregates.test.ts',
      'groups are bounded, and there is room again after expiryTime',
    ],
  },
  {
    where: 'extract timebased',
    there: 'never forgets results',
    here: 'forgets those of before the window',
    test: ['unit/pipeline/extract/timebased.test.ts', 'the first groups of the last twelve'],
  },
  {
    where: 'encode prom',
    option: 'metrics[].buckets',
    there: 'ignores the option',
    here: 'heeds the option, which flowlogs-pipeline ignores in this stage',
    test: [PROM, 'histograms honour their buckets: bounds included, +Inf for the rest'],
  },
  {
    where: 'encode prom',
    option: 'metrics[].filters',
    there: 'filters of one key are alternatives, so two `not_equal` of one key pass every flow',
    here: 'the same; an expression that is none is refused, which crashes flowlogs-pipeline',
    test: [PROM, 'filters of one key are alternatives'],
  },
  {
    where: 'encode prom',
    option: 'metrics[].flatten',
    there: 'does not flatten maps that came as JSON',
    here: 'flattens lists of any source',
    test: [PROM, 'flattened maps count by their keys, and filters take single elements out'],
  },
  {
    where: 'encode kafka',
    there: 'waits for each flow before it sends the next one, and never for an acknowledgement',
    here: 'sends batches, and waits for `acks`',
    test: ['services/kafka/encode.test.ts', 'each flow is a message of JSON'],
  },
  {
    where: 'encode s3',
    there: 'loses an object that the server does not take, and the last one',
    here: 'repeats it, and writes the last one',
    test: ['integration/pipeline/s3.test.ts', 'a busy server, and one that fails'],
  },
  {
    where: 'encode otlplogs',
    there: 'gives records the time of processing alone',
    here: 'gives them the time of the flow as well',
    test: ['services/otelcol/otelcol.test.ts', 'otlplogs: each flow is a record'],
  },
  {
    where: 'encode otlpmetrics',
    option: 'metrics[].type',
    there: 'fails at gauges, and leaves out `agg_histogram`',
    here: 'sends metrics of all types',
    test: [OTLP, 'metrics: the sums of all flows at the end, by their labels'],
  },
  {
    where: 'encode otlpmetrics',
    option: 'headers',
    there: 'does not send them',
    here: 'sends them, which flowlogs-pipeline does not',
    test: [OTLP, 'headers go with each request'],
  },
  {
    where: 'encode otlpmetrics',
    option: 'expiryTime',
    there: 'sends series for ever',
    here: 'heeds the option; flowlogs-pipeline sends series for ever',
    test: [OTLP, 'metrics: a series without flows for expiryTime is sent no longer'],
  },
  {
    where: 'write none',
    there: 'keeps each flow in memory',
    here: 'keeps none',
    test: ['unit/pipeline/none.test.ts', 'stages of the type none pass flows on, and end them'],
  },
  {
    where: 'write ipfix',
    there: 'gives a flow that lacks a field the value of the flow before; crashes on JSON flows',
    here: 'each flow has its own values, whatever its source',
    test: [
      'integration/pipeline/write-ipfix.test.ts',
      'by %s, every flow has its own values and no others',
    ],
  },
  {
    where: 'program',
    there: 'a slow sink holds up all others; the end loses batches, connections and objects',
    here: 'a slow sink loses its own flows, counted; the end writes all, within a deadline',
    test: ['unit/pipeline/graph/branch.test.ts', 'a hanging sink loses its own flows, counted'],
  },
];
