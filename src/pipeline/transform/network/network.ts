import { type Static, Type } from 'typebox';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { type StageContext, type StageType, stageType, type Transform } from '../../stage.ts';
import { makeRules } from '../rules.ts';
import { reinterpretDirection } from './direction.ts';
import { addService } from './service.ts';
import { parseServiceNames, type ServiceNames } from './services-file.ts';
import { addSubnet } from './subnet.ts';
import { addSubnetLabel, SubnetLabels } from './subnet-label.ts';
import { decodeTcpFlags } from './tcp-flags.ts';

const strict = { additionalProperties: false } as const;
const Field = Type.String({ minLength: 1 });
const MaybeField = Type.String({ default: '' });
const InOut = Type.Object({ input: Field, output: Field }, strict);

const Rule = Type.Union([
  Type.Object({ type: Type.Literal('add_subnet_label'), add_subnet_label: InOut }, strict),
  Type.Object(
    {
      type: Type.Literal('add_service'),
      add_service: Type.Object({ input: Field, output: Field, protocol: Field }, strict),
    },
    strict,
  ),
  Type.Object({ type: Type.Literal('reinterpret_direction') }, strict),
  Type.Object({ type: Type.Literal('decode_tcp_flags'), decode_tcp_flags: InOut }, strict),
  Type.Object(
    {
      type: Type.Literal('add_subnet'),
      add_subnet: Type.Object(
        { input: Field, output: Field, subnet_mask: Type.String({ default: '/24' }) },
        strict,
      ),
    },
    strict,
  ),
]);

const NetworkOptions = Type.Object(
  {
    rules: Type.Array(Rule),
    servicesFile: Type.String({ default: '/etc/services' }),
    protocolsFile: Type.String({ default: '/etc/protocols' }),
    subnetLabels: Type.Array(
      Type.Object({ name: Type.String(), cidrs: Type.Array(Type.String()) }, strict),
      { default: [] },
    ),
    // Writers in Go leave it empty where no rule needs it.
    directionInfo: Type.Optional(
      Type.Object(
        {
          reporterIPField: MaybeField,
          srcHostField: MaybeField,
          dstHostField: MaybeField,
          flowDirectionField: MaybeField,
          ifDirectionField: MaybeField,
        },
        strict,
      ),
    ),
    // The same; no rule that is here asks a cluster.
    kubeConfig: Type.Optional(
      Type.Object(
        {
          configPath: Type.String({ default: '' }),
          secondaryNetworks: Type.Array(Type.Unknown(), { default: [] }),
          managedCNI: Type.Array(Type.String(), { default: [] }),
          trackedKinds: Type.Array(Type.String(), { default: [] }),
        },
        strict,
      ),
    ),
  },
  strict,
);

type NetworkOptions = Static<typeof NetworkOptions>;
type Rule = Static<typeof Rule>;

/** Adds what is known of addresses, ports and directions; rules run in order. */
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

function makeRule(rule: Rule, context: StageContext, shared: Shared): Transform {
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
