import { assert } from '../base/assert.ts';
import type { ListenAddress } from '../base/listen.ts';
import { Direction } from '../flow/enums.ts';
import { type Feature, unitsPerSecond } from '../flow/field.ts';
import { MEASURES, type MeasureMetric, type MeasureSpec, unitOfMeasure } from '../flow/measures.ts';
import type { PipelineConfig, StageParameters } from './options/graph.ts';
import { PRESET_INGESTER } from './options/ingest/preset.ts';
import type { SubnetLabel } from './transform/network/labelled.ts';

export interface DefaultPipelineOptions {
  /** Name of the store that flows are written to; absent: no store. */
  readonly store?: string;
  /** Prefix of the flow metrics' names. */
  readonly prefix: string;
  /** Features that are on; metrics of other features are left out. */
  readonly features?: ReadonlySet<Feature>;
  /** File with labels of the user's own networks; they win over the default ones. */
  readonly networks?: string;
  /** Also label the networks of this host. */
  readonly hostNetworks?: boolean;
  /** Where routers send NetFlow and IPFIX to, by UDP; absent or empty: nowhere. */
  readonly netflow?: ListenAddress | '';
  /** The same for the sFlow of switches. */
  readonly sflow?: ListenAddress | '';
  /** File with the names of both. */
  readonly exporters?: string;
  /** Databases of addresses, for the features `location`, `city` and `asn`. */
  readonly geo?: GeoFiles;
}

/** Files in MaxMind's format; absent or empty: none. */
interface GeoFiles {
  /** In place of the countries that the program brings along. */
  readonly cities?: string;
  readonly systems?: string;
}

/** Special-purpose networks (RFC 6890 and its updates). */
const WELL_KNOWN_SUBNETS: readonly SubnetLabel[] = [
  { name: 'loopback', cidrs: ['127.0.0.0/8', '::1/128'] },
  { name: 'private', cidrs: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'] },
  { name: 'shared', cidrs: ['100.64.0.0/10'] },
  { name: 'link-local', cidrs: ['169.254.0.0/16', 'fe80::/10'] },
  { name: 'multicast', cidrs: ['224.0.0.0/4', 'ff00::/8'] },
  { name: 'broadcast', cidrs: ['255.255.255.255/32'] },
  {
    name: 'documentation',
    cidrs: ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32'],
  },
  { name: 'unspecified', cidrs: ['0.0.0.0/32', '::/128'] },
  { name: 'internet', cidrs: ['0.0.0.0/0', '::/0'] },
];

/** Bounds in seconds, those of the operator for round trips and look-ups. */
const LATENCY_BUCKETS = [0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.25, 1];

/**
 * The pipeline of one host: names for subnets, services and flags, directions from the node's point
 * of view, then the store and Prometheus side by side.
 */
export function defaultPipeline(options: DefaultPipelineOptions): PipelineConfig {
  const { store } = options;
  const inlets = inletsOf(options);
  const pipeline = [
    { name: 'network', follows: PRESET_INGESTER },
    ...inlets.map(({ name }) => ({ name: 'network', follows: name })),
    ...(store === undefined ? [] : [{ name: 'store', follows: 'network' }]),
    { name: 'prometheus', follows: 'network' },
  ];
  const parameters: StageParameters[] = [
    ...inlets,
    network(options),
    ...(store === undefined
      ? []
      : [{ name: 'store', write: { type: 'store', store: { name: store } } }]),
    {
      name: 'prometheus',
      encode: { type: 'prom', prom: { prefix: options.prefix, metrics: metricsOf(options) } },
    },
  ];
  return { pipeline, parameters };
}

/**
 * Sources of flows besides the agent. Bytes and packets are those before sampling, as the agent's
 * are.
 */
function inletsOf({
  netflow = '',
  sflow = '',
  exporters = '',
}: DefaultPipelineOptions): readonly StageParameters[] {
  const at = ({ host, port }: ListenAddress) => {
    return { hostName: host, port, samplingCorrection: true, exportersFile: exporters };
  };
  // The field of agents, which charts, filters and the table use: tcpControlBits.
  const mapping = [{ field: 6, destination: 'Flags' }];
  return [
    ...(netflow === ''
      ? []
      : [{ name: 'routers', ingest: { type: 'ipfix', ipfix: { ...at(netflow), mapping } } }]),
    ...(sflow === '' ? [] : [{ name: 'switches', ingest: { type: 'sflow', sflow: at(sflow) } }]),
  ];
}

/** Facts of the databases of addresses about one end, for the features that are on. */
function geoRules(side: string, { features, geo = {} }: DefaultPipelineOptions) {
  const { cities = '', systems = '' } = geo;
  const input = `${side}Addr`;
  const location = { input, output: `${side}Location`, file_path: cities };
  const asn = { input, output: `${side}AS`, file_path: systems };
  return [
    ...(features?.has('location') ? [{ type: 'add_location', add_location: location }] : []),
    ...(features?.has('asn') ? [{ type: 'add_asn', add_asn: asn }] : []),
  ];
}

function network(options: DefaultPipelineOptions): StageParameters {
  const rules = [
    ...['Src', 'Dst'].flatMap((side) => [
      {
        type: 'add_subnet_label',
        add_subnet_label: { input: `${side}Addr`, output: `${side}SubnetLabel` },
      },
      {
        type: 'add_service',
        add_service: { input: `${side}Port`, output: `${side}Service`, protocol: 'Proto' },
      },
      ...geoRules(side, options),
    ]),
    { type: 'reinterpret_direction' },
    { type: 'decode_tcp_flags', decode_tcp_flags: { input: 'Flags', output: 'Flags' } },
  ];
  const directionInfo = {
    reporterIPField: 'AgentIP',
    srcHostField: 'SrcAddr',
    dstHostField: 'DstAddr',
    flowDirectionField: 'FlowDirection',
    ifDirectionField: 'IfDirection',
  };
  const { networks: subnetLabelsFile = '', hostNetworks = false } = options;
  const labels = { subnetLabels: WELL_KNOWN_SUBNETS, subnetLabelsFile, hostNetworks };
  return {
    name: 'network',
    transform: { type: 'network', network: { rules, directionInfo, ...labels } },
  };
}

/** Flows against a direction are left out; flows with both ends on the node count for both. */
const AGAINST = { ingress: Direction.Egress, egress: Direction.Ingress } as const;

function flowMetric(measure: MeasureSpec, { name, labels, direction }: MeasureMetric) {
  const { meaning, field, having = [] } = measure;
  const perSecond = unitsPerSecond(unitOfMeasure(measure));
  // All conditions must hold, so "one of several fields" cannot be expressed.
  assert(having.length <= 1, `${name} depends on at most one other field`);
  const present = [...having, ...(perSecond === undefined ? [] : [field])];
  return {
    name,
    help: meaning.replace(/\.$/, ''),
    labels,
    filters: [
      ...present.map((key) => ({ key, type: 'presence' })),
      ...(direction === undefined
        ? []
        : [{ key: 'FlowDirection', value: String(AGAINST[direction]), type: 'not_equal' }]),
    ],
    ...(field === undefined ? {} : { valueKey: field }),
    ...(perSecond === undefined
      ? { type: 'counter' }
      : { type: 'histogram', valueScale: perSecond, buckets: LATENCY_BUCKETS }),
  };
}

function metricsOf({ features }: DefaultPipelineOptions): readonly unknown[] {
  return MEASURES.filter(({ feature }) => feature === undefined || features?.has(feature)).flatMap(
    (measure) => (measure.metrics ?? []).map((metric) => flowMetric(measure, metric)),
  );
}
