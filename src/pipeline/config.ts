import { type Static, type TSchema, Type } from 'typebox';
import { NetobservError } from '../base/errors.ts';
import { configError, PIPELINE_ERRORS } from './errors.ts';
import { parseValue } from './parse.ts';
import type { Section, StageType } from './stage.ts';

const strict = { additionalProperties: false } as const;
const Name = Type.String({ minLength: 1 });

/** An edge of the graph; a stage that follows several stands here once for each of them. */
const Edge = Type.Object(
  {
    name: Name,
    follows: Type.Optional(Name),
    /** What a sink does when its queue is full: lose flows, or make the source wait. */
    whenFull: Type.Optional(Type.Union([Type.Literal('drop'), Type.Literal('block')])),
  },
  strict,
);

const Tls = Type.Object(
  { certPath: Type.String({ default: '' }), keyPath: Type.String({ default: '' }) },
  strict,
);

const MetricsSettings = Type.Object(
  {
    address: Type.String({ default: '' }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, default: 9090 }),
    tls: Type.Optional(Tls),
    prefix: Type.String({ default: '' }),
    noPanic: Type.Boolean({ default: false }),
    suppressDefaultMetrics: Type.Boolean({ default: false }),
    disableGlobalServer: Type.Boolean({ default: false }),
  },
  strict,
);

export type PipelineEdge = Static<typeof Edge>;
export type MetricsSettings = Static<typeof MetricsSettings>;

/** A stage's options as written: one section, with a type and options under the type's name. */
export interface StageParameters {
  readonly name: string;
  readonly ingest?: unknown;
  readonly transform?: unknown;
  readonly extract?: unknown;
  readonly encode?: unknown;
  readonly write?: unknown;
}

/** The configuration as a person or a program writes it; `compilePipeline` checks it. */
export interface PipelineConfig {
  readonly pipeline: readonly PipelineEdge[];
  readonly parameters: readonly StageParameters[];
  readonly metricsSettings?: Partial<MetricsSettings>;
}

/** A checked stage: which type it is, its options, and where they stand. */
export interface StageEntry {
  readonly name: string;
  readonly type: StageType;
  readonly options: unknown;
  readonly path: string;
}

export interface CheckedConfig {
  readonly edges: readonly PipelineEdge[];
  readonly stages: readonly StageEntry[];
  readonly metricsSettings: MetricsSettings;
}

const SECTIONS: readonly Section[] = ['ingest', 'transform', 'extract', 'encode', 'write'];

/** The schema of the whole configuration, derived from the table of stage types. */
export function configSchema(types: readonly StageType[]): TSchema {
  return Type.Object(
    {
      pipeline: Type.Array(Edge, { minItems: 1 }),
      parameters: Type.Array(stageSchema(types)),
      metricsSettings: Type.Optional(MetricsSettings),
    },
    strict,
  );
}

function stageSchema(types: readonly StageType[]): TSchema {
  const sections: Record<string, TSchema> = {};
  for (const section of SECTIONS) {
    const known = types.filter((type) => type.section === section);
    if (known.length > 0) sections[section] = Type.Optional(Type.Union(known.map(variant)));
  }
  return Type.Object({ name: Name, ...sections }, strict);
}

function variant({ type, schema }: StageType): TSchema {
  const required: unknown = (schema as { required?: unknown }).required;
  const properties = (schema as { properties?: Record<string, { default?: unknown }> }).properties;
  // Options may be left out altogether when none of them has to be given.
  const needed =
    Array.isArray(required) && required.some((key) => properties?.[key]?.default === undefined);
  return Type.Object(
    { type: Type.Literal(type), [type]: needed ? schema : { ...schema, default: {} } },
    strict,
  );
}

/**
 * Checks everything that can be said of the configuration without making a stage. What is wrong
 * with several stages is told at once, one problem of each.
 */
export function checkConfig(config: unknown, types: readonly StageType[]): CheckedConfig {
  const problems = stageProblems(config, types);
  if (problems.length > 1) {
    const lines = problems.map(({ message }) => `\n  ${message}`).join('');
    throw configError(PIPELINE_ERRORS.option, '', `wrong pipeline:${lines}`);
  }
  const parsed = parseValue(configSchema(types), config, '') as {
    readonly pipeline: readonly PipelineEdge[];
    readonly parameters: readonly Readonly<Record<string, unknown>>[];
    readonly metricsSettings?: MetricsSettings;
  };
  const stages = parsed.parameters.map((entry, index) => stageEntry(entry, index, types));
  const seen = new Set<string>();
  for (const [index, { name }] of stages.entries()) {
    if (seen.has(name)) {
      const problem = `there is another stage "${name}": names must be unique`;
      throw configError(PIPELINE_ERRORS.stageDuplicate, `parameters[${index}].name`, problem);
    }
    seen.add(name);
  }
  return {
    edges: parsed.pipeline,
    stages,
    metricsSettings: parsed.metricsSettings ?? parseValue(MetricsSettings, {}, 'metricsSettings'),
  };
}

function stageProblems(config: unknown, types: readonly StageType[]): readonly NetobservError[] {
  const { parameters } = (config ?? {}) as { readonly parameters?: unknown };
  if (!Array.isArray(parameters)) return [];
  const schema = stageSchema(types);
  return parameters.flatMap((entry: unknown, index) => {
    try {
      parseValue(schema, entry, `parameters[${index}]`);
      return [];
    } catch (error) {
      if (error instanceof NetobservError) return [error];
      throw error;
    }
  });
}

function stageEntry(
  entry: Readonly<Record<string, unknown>>,
  index: number,
  types: readonly StageType[],
): StageEntry {
  const path = `parameters[${index}]`;
  const given = SECTIONS.filter((section) => entry[section] !== undefined);
  const section = given[0];
  if (section === undefined || given.length > 1) {
    const found = given.length === 0 ? 'has none' : `has ${given.join(' and ')}`;
    const problem = `a stage has exactly one of ${SECTIONS.join(', ')}, but this one ${found}`;
    throw configError(PIPELINE_ERRORS.option, path, problem);
  }
  const body = entry[section] as { readonly type: string } & Readonly<Record<string, unknown>>;
  const type = types.find((one) => one.section === section && one.type === body.type)!;
  const name = String(entry.name);
  return { name, type, options: body[type.type], path: `${path}.${section}.${type.type}` };
}
