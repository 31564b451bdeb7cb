import { assertExists } from '../../../base/assert.ts';
import { heldName } from '../../../flow/batch.ts';
import type { FieldKind } from '../../../flow/field.ts';
import type { Cluster } from '../../../kube/cluster.ts';
import type { KeyFilter, NetworkIndex } from '../../../kube/index/needs.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { KubeConfig, KubernetesRule } from '../../options/transform/kubernetes.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';
import { columnsOf, type KubeColumn } from './kubernetes-columns.ts';
import { FactColumn } from './kubernetes-fact-column.ts';
import { FactFinder, TIME_FIELD } from './kubernetes-finder.ts';
import { type KeyTexts, openTexts, texts } from './kubernetes-texts.ts';

const DEFAULTS: KubeConfig = {
  configPath: '',
  secondaryNetworks: [],
  managedCNI: ['ovn'],
  trackedKinds: [],
};

/**
 * Names the pod, node or service at one end of a flow. The first transform finds the fact for each
 * row; each field is a transform of its own, so that fields that nothing reads cost nothing.
 */
export function addKubernetes(
  rule: KubernetesRule,
  config: KubeConfig = DEFAULTS,
  context: StageContext,
): readonly Transform[] {
  const { ipField, portField, protocolField, output, assignee } = rule;
  requireKind(context, 'kubernetes.ipField', ipField, ['addr']);
  if (portField !== '') {
    requireKind(context, 'kubernetes.portField', portField, ['u16']);
    requireKind(context, 'kubernetes.protocolField', protocolField, ['u8']);
  }
  const indexes = usableIndexes(rule, config, context);
  const labels = textsOf(rule, 'label');
  const annotations = textsOf(rule, 'annotation');
  const cluster = clusterOf(context, config, { indexes, labels, annotations });
  const tracked = new Set(config.trackedKinds);
  const held = heldName(context.name, `${ipField} ${output}`);
  const hosts = portField === '' ? held : heldName(context.name, `${ipField} ${output} host`);
  const columnsHeld = [...new Set([held, hosts])];
  const name = `add_kubernetes ${ipField}`;
  const columns = columnsOf({
    output,
    isOtel: assignee === 'otel',
    addsZone: rule.add_zone,
  }).concat(texts(labels), texts(annotations));
  const finder = new FactFinder({ rule, indexes, held, hosts }, cluster.index);
  return [
    {
      kind: 'transform',
      name,
      reads: finder.reads,
      writes: columnsHeld.map((column) => ({ name: column, kind: 'u32' })),
      apply: (batch) => finder.apply(batch),
    },
    ...columns.map((column) =>
      namesField(name, column.isHost ? hosts : held, column, cluster, tracked),
    ),
    ...[labels, annotations].flatMap((one) => openTexts(name, held, one, cluster.index)),
    {
      kind: 'transform',
      name: `${name} end`,
      reads: [],
      writes: [],
      removes: columnsHeld,
      apply() {},
    },
  ];
}

function namesField(
  name: string,
  held: string,
  column: KubeColumn,
  cluster: Cluster,
  tracked: ReadonlySet<string>,
): Transform {
  const fact = new FactColumn(column, cluster.index, tracked);
  return {
    kind: 'transform',
    name,
    reads: [held, column.name],
    writes: [{ name: column.name, kind: column.kind }],
    apply(batch) {
      fact.fill(batch.length, batch.u32(held), batch.tables, batch.ids(column.name));
    },
  };
}

/** Tells the cluster what the rule needs; all stages read one cluster. */
function clusterOf(
  { deps, path }: StageContext,
  { configPath, managedCNI, trackedKinds }: KubeConfig,
  wanted: {
    readonly indexes: readonly NetworkIndex[];
    readonly labels: KeyTexts | undefined;
    readonly annotations: KeyTexts | undefined;
  },
): Cluster {
  const cluster = assertExists(deps.cluster, 'pipelines have a cluster')();
  const other = cluster.configPath;
  if (other !== undefined && other !== configPath) {
    const problem = `kubeConfig.configPath is "${configPath}", but "${other}" in another stage`;
    throw configError(PIPELINE_ERRORS.option, path, problem);
  }
  cluster.need({
    configPath,
    networks: wanted.indexes,
    managedCni: managedCNI,
    trackedKinds,
    labels: filtersOf(wanted.labels),
    annotations: filtersOf(wanted.annotations),
  });
  return cluster;
}

function filtersOf(wanted: KeyTexts | undefined): readonly KeyFilter[] {
  return wanted === undefined ? [] : [wanted.filter];
}

function textsOf(rule: KubernetesRule, one: 'label' | 'annotation'): KeyTexts | undefined {
  const prefix = rule[`${one}s_prefix`];
  if (prefix === '') return undefined;
  const inclusions = rule[`${one}_inclusions`];
  return {
    of: `${one}s`,
    prefix: rule.assignee === 'otel' ? `${prefix}.` : `${prefix}_`,
    filter: {
      inclusions: inclusions.length === 0 ? undefined : inclusions,
      exclusions: rule[`${one}_exclusions`],
    },
    maxLength: rule[`${one}_value_max_length`],
  };
}

/** Networks whose keys the rule has fields for; a key without one of its parts finds nothing. */
function usableIndexes(
  rule: KubernetesRule,
  { secondaryNetworks }: KubeConfig,
  context: StageContext,
): readonly NetworkIndex[] {
  const { interfacesField, udnsField, macField } = rule;
  const indexes = secondaryNetworks.map(({ index }) => {
    const [mac, ip, inter, udn] = (['mac', 'ip', 'interface', 'udn'] as const).map(
      (key) => index[key] !== undefined,
    ) as [boolean, boolean, boolean, boolean];
    return { mac: mac && !udn, ip: ip && !udn, interface: inter && !udn, udn };
  });
  const usable = indexes.filter(
    ({ mac, interface: inter, udn }) =>
      (!mac || macField !== '') && (!inter || interfacesField !== '') && (!udn || udnsField !== ''),
  );
  const check = (
    part: 'mac' | 'interface' | 'udn',
    option: string,
    field: string,
    kind: FieldKind,
  ) => usable.some((index) => index[part]) && requireKind(context, option, field, [kind]);
  check('mac', 'kubernetes.macField', macField, 'mac');
  check('interface', 'kubernetes.interfacesField', interfacesField, 'list<str>');
  check('udn', 'kubernetes.udnsField', udnsField, 'list<str>');
  if (context.kindOf(TIME_FIELD) !== undefined)
    requireKind(context, 'kubernetes', TIME_FIELD, ['f64']);
  return usable;
}
