import { type TSchema, Type } from 'typebox';
import { NetobservError } from '../base/errors.ts';
import { listed, shown } from '../base/shown.ts';
import type { ConfigDocument } from '../config/document.ts';
import { isRequired, type Shape, strictObject } from '../config/schema.ts';
import { PROBLEMS_MAX, type Problem, problemLines, validate } from '../config/validate.ts';
import { PIPELINE_ERRORS } from './errors.ts';
import {
  Edge,
  MetricsSettings,
  type PipelineConfig,
  type PipelineEdge,
  StageName,
} from './options/graph.ts';
import { programKeys } from './options/program.ts';
import type { Section, StageType } from './stage.ts';

/** A checked stage: its type, its options, and their place in the configuration. */
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

/** A configuration file: the pipeline's part, and the keys of a program. */
export interface PipelineFile {
  readonly config: PipelineConfig;
  readonly programKeys: readonly string[];
}

export const SECTIONS: readonly Section[] = ['ingest', 'transform', 'extract', 'encode', 'write'];

/** The schema of the whole configuration, derived from the table of stage types. */
export function configSchema(types: readonly StageType[]): TSchema {
  return strictObject(pipelineKeys(types), {
    description: 'A pipeline: its stages, and how flows get from one to the next.',
  });
}

/** The schema of flowlogs-pipeline's file in the form that an agent accepts. */
export function fileSchema(types: readonly StageType[]): TSchema {
  return strictObject(
    { ...pipelineKeys(types), ...programKeys },
    { description: 'Configuration of a pipeline in the format of flowlogs-pipeline.' },
  );
}

function pipelineKeys(types: readonly StageType[]) {
  return {
    pipeline: Type.Array(Edge, { minItems: 1, description: 'The edges of the graph of stages.' }),
    parameters: Type.Array(stageSchema(types), {
      description: 'The stages. Each has a name and exactly one section.',
    }),
    metricsSettings: MetricsSettings,
  };
}

function stageSchema(types: readonly StageType[]): TSchema {
  const sections: Record<string, TSchema> = {};
  for (const section of SECTIONS) {
    const known = types.filter((type) => type.section === section);
    if (known.length === 0) continue;
    const description = `A stage of the section ${section}.`;
    sections[section] = Type.Optional(Type.Union(known.map(variant), { description }));
  }
  return strictObject({ name: StageName, ...sections }, { description: 'A stage.' });
}

function variant({ type, schema }: StageType): TSchema {
  const shape = schema as Shape;
  // The options may be left out altogether if none of them is required.
  const needed = Object.keys(shape.properties ?? {}).some((key) => isRequired(shape, key));
  const { description = '' } = shape;
  const word = Type.Literal(type, { description: `Selects ${type}.` });
  const options = needed ? schema : { ...schema, default: {} };
  return strictObject({ type: word, [type]: options }, { description });
}

/**
 * Checks everything in the configuration that does not require making a stage. Throws one error
 * with all problems; its code is that of the first.
 */
export function checkConfig(config: unknown, types: readonly StageType[]): CheckedConfig {
  const parsed = validated(configSchema(types), config) as {
    readonly pipeline: readonly PipelineEdge[];
    readonly parameters: readonly Readonly<Record<string, unknown>>[];
    readonly metricsSettings: MetricsSettings;
  };
  return {
    edges: parsed.pipeline,
    stages: parsed.parameters.map((entry, index) => stageEntry(entry, index, types)),
    metricsSettings: parsed.metricsSettings,
  };
}

/** Does the same for a file; the error names the place of each problem. */
export function checkFile(document: ConfigDocument, types: readonly StageType[]): PipelineFile {
  validated(fileSchema(types), document.value, document);
  const entries = Object.entries(document.value as Record<string, unknown>);
  const isOfProgram = ([key]: readonly [string, unknown]): boolean =>
    Object.hasOwn(programKeys, key);
  return {
    // As written: `compilePipeline` fills in defaults.
    config: Object.fromEntries(
      entries.filter((entry) => !isOfProgram(entry)),
    ) as unknown as PipelineConfig,
    programKeys: entries.filter(isOfProgram).map(([key]) => key),
  };
}

const CODES = {
  key: PIPELINE_ERRORS.keyUnknown,
  type: PIPELINE_ERRORS.typeUnknown,
  duration: PIPELINE_ERRORS.duration,
  value: PIPELINE_ERRORS.option,
  name: PIPELINE_ERRORS.stageDuplicate,
} as const;

function validated(schema: TSchema, config: unknown, document?: ConfigDocument): unknown {
  const { value, problems } = validate(schema, config);
  const duplicates = duplicateNames(config);
  const all = [...problems, ...sectionProblems(config), ...duplicates];
  const [first] = all;
  if (first === undefined) return value;
  const lines = problemLines(all.slice(0, PROBLEMS_MAX), document);
  const code = CODES[duplicates.includes(first) ? 'name' : first.kind];
  throw new NetobservError(code, listed('wrong pipeline', lines), {
    details: { path: first.path, issues: lines },
  });
}

type Entry = Readonly<Record<string, unknown>>;

/** The entries of `parameters` that are objects, even if other parts are wrong. */
function entriesOf(config: unknown): readonly (readonly [index: number, entry: Entry])[] {
  const parameters = (config as { readonly parameters?: unknown } | null | undefined)?.parameters;
  if (!Array.isArray(parameters)) return [];
  return [...parameters.entries()].filter(
    ([, entry]) => typeof entry === 'object' && entry !== null && !Array.isArray(entry),
  );
}

function isSection(key: string): boolean {
  return (SECTIONS as readonly string[]).includes(key);
}

function sectionsOf(entry: Entry): readonly Section[] {
  return SECTIONS.filter((section) => (entry[section] ?? undefined) !== undefined);
}

function sectionProblems(config: unknown): readonly Problem[] {
  return entriesOf(config).flatMap(([index, entry]) => {
    const given = sectionsOf(entry);
    // A misspelt section is a separate problem.
    const isMisspelt = Object.keys(entry).some((key) => key !== 'name' && !isSection(key));
    if (given.length === 1 || (given.length === 0 && isMisspelt)) return [];
    const found = given.length === 0 ? 'has none' : `has ${given.join(' and ')}`;
    const text = `a stage has exactly one of ${SECTIONS.join(', ')}, but this one ${found}`;
    return [{ path: `parameters[${index}]`, kind: 'value' as const, text }];
  });
}

function duplicateNames(config: unknown): readonly Problem[] {
  const seen = new Set<unknown>();
  return entriesOf(config).flatMap(([index, { name }]) => {
    if (typeof name !== 'string' || !seen.has(name)) {
      seen.add(name);
      return [];
    }
    const text = `there is another stage "${shown(name)}": names must be unique`;
    return [{ path: `parameters[${index}].name`, kind: 'value' as const, text }];
  });
}

function stageEntry(entry: Entry, index: number, types: readonly StageType[]): StageEntry {
  const [section] = sectionsOf(entry);
  const body = entry[section!] as { readonly type: string } & Entry;
  const type = types.find((one) => one.section === section && one.type === body.type)!;
  const path = `parameters[${index}].${section}.${type.type}`;
  return { name: String(entry.name), type, options: body[type.type], path };
}
