import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { NetworkOptions, type NetworkRule } from '../../options/transform/network.ts';
import { ConfigProblems } from '../../problems.ts';
import { type StageContext, type StageType, stageType } from '../../stage.ts';
import { makeRules, type RuleTable } from '../rules.ts';
import { reinterpretDirection } from './direction.ts';
import { GeoDatabase } from './geo-database.ts';
import { addKubernetes } from './kubernetes.ts';
import { addKubernetesInfra } from './kubernetes-infra.ts';
import { addAsn, addLocation } from './location.ts';
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
  /** The database of a file; `rule` names the rule that needs it. */
  readonly database: (path: string, rule: string) => GeoDatabase;
}

const RULES: RuleTable<NetworkRule, NetworkFacts> = {
  add_subnet_label: (rule, at, { labels }) => addSubnetLabel(labels, rule.add_subnet_label, at),
  add_service: (rule, at, { serviceNames }) => addService(serviceNames(), rule.add_service, at),
  decode_tcp_flags: (rule, at) => decodeTcpFlags(rule.decode_tcp_flags, at),
  add_location: ({ add_location: rule }, at, { database }) =>
    addLocation(database(rule.file_path, 'add_location'), rule, at),
  add_asn: ({ add_asn: rule }, at, { database }) =>
    addAsn(database(rule.file_path, 'add_asn'), rule, at),
  add_kubernetes: (rule, at, { options }) => addKubernetes(rule.kubernetes, options.kubeConfig, at),
  add_kubernetes_infra: (rule, at) => addKubernetesInfra(rule.kubernetes_infra, at),
  add_subnet: (rule, at) => addSubnet(rule.add_subnet, at),
  reinterpret_direction: (_rule, at, { options }) =>
    reinterpretDirection(directionFields(options, at), at),
};

/** Adds facts about addresses, ports, flags and directions, and names; rules run in order. */
export const networkTransform: StageType = stageType({
  section: 'transform',
  type: 'network',
  schema: NetworkOptions,
  create(options, context) {
    const problems = new ConfigProblems();
    const labels = problems.attempt(() => new SubnetLabels(options.subnetLabels, context));
    // Each file is read once, when a rule needs it.
    let names: ServiceNames | undefined;
    const serviceNames = (): ServiceNames => {
      names ??= readServiceNames(options, context);
      return names;
    };
    const facts = {
      ...{ options, serviceNames, database: databasesOf(context) },
      labels: labels ?? new SubnetLabels([], context),
    };
    const transforms = problems.attempt(() => makeRules(RULES, options.rules, context, facts));
    problems.throwAll();
    return transforms ?? [];
  },
});

/** Rules with the same file share its database. */
function databasesOf(context: StageContext): NetworkFacts['database'] {
  const known = new Map<string, GeoDatabase>();
  return (path, rule) => {
    const place = `${context.path}.rules.${rule}.file_path`;
    const database = known.get(path) ?? new GeoDatabase(path, context, place);
    known.set(path, database);
    return database;
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
