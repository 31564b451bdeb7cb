import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { NetworkOptions, type NetworkRule } from '../../options/transform/network.ts';
import { type StageContext, type StageType, stageType, type Transform } from '../../stage.ts';
import { makeRules } from '../rules.ts';
import { reinterpretDirection } from './direction.ts';
import { addService } from './service.ts';
import { parseServiceNames, type ServiceNames } from './services-file.ts';
import { addSubnet } from './subnet.ts';
import { addSubnetLabel, SubnetLabels } from './subnet-label.ts';
import { decodeTcpFlags } from './tcp-flags.ts';

/** Adds facts about addresses, ports, flags and directions; rules run in order. */
export const networkTransform: StageType = stageType({
  section: 'transform',
  type: 'network',
  schema: NetworkOptions,
  create(options, context) {
    const labels = new SubnetLabels(options.subnetLabels, context.path);
    // The files are read when a rule needs them, once.
    let names: ServiceNames | undefined;
    const serviceNames = (): ServiceNames => {
      names ??= readServiceNames(options, context);
      return names;
    };
    return makeRules(options.rules, context, (rule, at) =>
      makeRule(rule, at, { options, labels, serviceNames }),
    );
  },
});

interface Shared {
  readonly options: NetworkOptions;
  readonly labels: SubnetLabels;
  readonly serviceNames: () => ServiceNames;
}

function makeRule(rule: NetworkRule, context: StageContext, shared: Shared): Transform {
  switch (rule.type) {
    case 'add_subnet_label':
      return addSubnetLabel(shared.labels, rule.add_subnet_label, context);
    case 'add_service':
      return addService(shared.serviceNames(), rule.add_service, context);
    case 'decode_tcp_flags':
      return decodeTcpFlags(rule.decode_tcp_flags, context);
    case 'add_subnet':
      return addSubnet(rule.add_subnet, context);
    case 'reinterpret_direction':
      return reinterpretDirection(directionFields(shared.options, context), context);
  }
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
