import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { NetworkOptions, type NetworkRule } from '../../options/transform/network.ts';
import { ConfigProblems } from '../../problems.ts';
import { type StageContext, type StageType, stageType } from '../../stage.ts';
import { makeRules, type RuleTable } from '../rules.ts';
import { reinterpretDirection } from './direction.ts';
import { GeoDatabase } from './geo-database.ts';
import { type GeoFact, GeoFacts } from './geo-facts.ts';
import { addKubernetes } from './kubernetes.ts';
import { addKubernetesInfra } from './kubernetes-infra.ts';
import { addGeoFacts, placeFacts, SYSTEM_FACTS } from './location.ts';
import { addService } from './service.ts';
import { parseServiceNames, type ServiceNames } from './services-file.ts';
import { addSubnet } from './subnet.ts';
import { addSubnetLabel, SubnetLabels } from './subnet-label.ts';
import { decodeTcpFlags } from './tcp-flags.ts';

/** Facts that the rules of one stage share. */
interface NetworkFacts {
  readonly options: NetworkOptions;
  readonly labels: SubnetLabels;
  readonly serviceNames: () => ServiceNames;
  /** Facts of the database in a file; `rule` names the rule that needs it. */
  readonly geo: (path: string, rule: 'add_location' | 'add_asn') => GeoFacts;
}

const RULES: RuleTable<NetworkRule, NetworkFacts> = {
  add_subnet_label: (rule, at, { labels }) => addSubnetLabel(labels, rule.add_subnet_label, at),
  add_service: (rule, at, { serviceNames }) => addService(serviceNames(), rule.add_service, at),
  decode_tcp_flags: (rule, at) => decodeTcpFlags(rule.decode_tcp_flags, at),
  add_location: ({ type, add_location: rule }, at, { geo }) =>
    addGeoFacts(geo(rule.file_path, type), type, rule, at),
  add_asn: ({ type, add_asn: rule }, at, { geo }) =>
    addGeoFacts(geo(rule.file_path, type), type, rule, at),
  add_kubernetes: (rule, at, { options }) => addKubernetes(rule.kubernetes, options.kubeConfig, at),
  add_kubernetes_infra: (rule, at) => addKubernetesInfra(rule.kubernetes_infra, at),
  add_subnet: (rule, at) => addSubnet(rule.add_subnet, at),
  reinterpret_direction: (_rule, at, { options }) =>
    reinterpretDirection(directionFields(options, at), at),
};

const NO_LABELS = { subnetLabels: [], subnetLabelsFile: '', hostNetworks: false };

/** Adds facts about addresses, ports, flags and directions, and names; rules run in order. */
export const networkTransform: StageType = stageType({
  section: 'transform',
  type: 'network',
  schema: NetworkOptions,
  create(options, context) {
    const problems = new ConfigProblems();
    const labels = problems.attempt(() => new SubnetLabels(options, context));
    // Each file is read once, when a rule needs it.
    let names: ServiceNames | undefined;
    const serviceNames = (): ServiceNames => {
      names ??= readServiceNames(options, context);
      return names;
    };
    const facts = {
      ...{ options, serviceNames, geo: geoFactsOf(context) },
      labels: labels ?? new SubnetLabels(NO_LABELS, context),
    };
    const transforms = problems.attempt(() => makeRules(RULES, options.rules, context, facts));
    problems.throwAll();
    return transforms ?? [];
  },
});

const GEO_FACTS: Readonly<Record<'add_location' | 'add_asn', () => readonly GeoFact[]>> = {
  add_location: placeFacts,
  add_asn: () => SYSTEM_FACTS,
};

/** Rules with the same file share its database, and those of one type share its facts. */
function geoFactsOf(context: StageContext): NetworkFacts['geo'] {
  const databases = new Map<string, GeoDatabase>();
  const known = new Map<string, GeoFacts>();
  return (path, rule) => {
    const place = `${context.path}.rules.${rule}.file_path`;
    const database = databases.get(path) ?? new GeoDatabase(path, context, place);
    databases.set(path, database);
    if (rule === 'add_asn') database.requireSystems(place);
    const facts = known.get(`${rule} ${path}`) ?? new GeoFacts(database, GEO_FACTS[rule]());
    known.set(`${rule} ${path}`, facts);
    return facts;
  };
}

const MANDATORY = [
  'reporterIPField',
  'srcHostField',
  'dstHostField',
  'flowDirectionField',
] as const;

function directionFields({ directionInfo }: NetworkOptions, context: StageContext) {
  const missing = MANDATORY.filter((key) => (directionInfo?.[key] ?? '') === '');
  if (directionInfo === undefined || missing.length > 0) {
    const problem = `reinterpret_direction needs directionInfo beside rules, with ${missing.join(', ')}`;
    throw configError(PIPELINE_ERRORS.option, context.path, problem);
  }
  const { ifDirectionField, ...fields } = directionInfo;
  return ifDirectionField === '' ? fields : { ...fields, ifDirectionField };
}

function readServiceNames(options: NetworkOptions, context: StageContext): ServiceNames {
  const { readText, log } = context.deps;
  const read = (path: string): string | undefined => {
    const text = readText?.(path);
    if (text === undefined) {
      const fields = { component: 'pipeline', stage: context.name, path };
      log.info(fields, 'file not found, using well-known names');
    }
    return text;
  };
  return parseServiceNames(read(options.servicesFile), read(options.protocolsFile));
}
