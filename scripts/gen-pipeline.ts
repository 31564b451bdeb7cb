import { stringify } from 'yaml';
import {
  describeSchema,
  editorSchema,
  type KeyRow,
  type KeyTable,
} from '../src/config/describe.ts';
import { type Shape, strictObject } from '../src/config/schema.ts';
import { configSchema, fileSchema, SECTIONS } from '../src/pipeline/config.ts';
import { programKeys } from '../src/pipeline/options/program.ts';
import type { StageType } from '../src/pipeline/stage.ts';
import { STAGE_TYPES } from '../src/pipeline/stages.ts';
import type { GeneratedFile } from './generated.ts';
import { code, table } from './markdown.ts';

const SECTION_WORDS = SECTIONS.map(code).join(', ');

const INTRODUCTION = `
<!-- Generated from the schemas of src/pipeline/options by scripts/gen-pipeline.ts; do not edit. -->

# Pipelines

A pipeline is a graph of stages in the format of flowlogs-pipeline, in YAML or JSON.
\`netobserv processor --config FILE\` runs the one in the file, and \`processor check FILE\`
explains it without running it. In an agent, \`EXPORT=direct-flp\` runs the one in
\`FLP_CONFIG\`: there, the first stage follows \`preset-ingester\`, the agent itself. \`pipeline\` lists the edges of the graph, and
\`parameters\` the stages. A stage has a name and one section (${SECTION_WORDS}), which has a \`type\` and, under the name of the type, the options:

\`\`\`yaml
pipeline:
  - { name: enrich, follows: preset-ingester }
  - { name: print, follows: enrich }
parameters:
  - name: enrich
    transform:
      type: network
      network:
        rules:
          - type: add_subnet
            add_subnet: { input: SrcAddr, output: SrcSubnet }
  - name: print
    write:
      type: stdout
      stdout: { format: json }
\`\`\`

Keys keep their case, and an unknown key is an error. Unknown keys and wrong values are reported all
at once, each with its line and column; mistakes that only show when stages are made and connected
(such as the type of a field), one at a time. A duration has a unit: \`500ms\`, \`30s\`, \`1m30s\`.
A file may be 1 MiB large and 64 levels deep. \`pipeline.schema.gen.json\` is the JSON Schema for editors.`.trimStart();

const PROGRAM = `## Keys of the program

flowlogs-pipeline's file has further keys, which configure the program around the pipeline. A
processor reads \`log-level\`, \`healthAddr\`, \`pprofAddr\` and \`k8scache\`, which its flags of the
same names override, and \`dynamicParameters\`. It accepts the others with a warning, as an agent
does all of them.`;

const CONDITIONS = `## Conditions

\`keepEntryQuery\` has the query language of flowlogs-pipeline:

\`\`\`
SrcK8S_Namespace="prod" and (DstPort=443 or with(DnsId)) and DstAddr not in ("10.0.0.0/8")
\`\`\`

| Condition | Meaning |
|---|---|
| \`FIELD="text"\`, \`!="text"\` | the same text or another one; backquotes need no escapes |
| \`FIELD=5\`, \`!=\`, \`>\`, \`<\`, \`>=\`, \`<=\` | comparison with a number |
| \`FIELD=~"^eth"\`, \`!~\` | a regular expression of Go, for any part of the text |
| \`FIELD=OTHER\` and so on | comparison with another field; \`"$(OTHER)/x"\` has its value |
| \`FIELD in ("a", 5, "10.0.0.0/8")\`, \`not in\` | one of several values, or of networks |
| \`with(FIELD)\`, \`without(FIELD)\` | whether the flow has the field |
| \`not\`, \`and\`, \`or\`, parentheses | \`a and b or c\` means \`a and (b or c)\` |

- Values compare by their text: 6 and "6" are the same, and so is an address in any notation. In
  flowlogs-pipeline a number never equals a text, and fractions are cut.
- A field that is absent meets only \`!="text"\`, \`!=OTHER\`, \`!~\` and \`without\`.
- A list meets a condition if one of its entries does; \`!=\` and \`!~\` must hold for all of them.
- \`in\`, \`not\`, negative numbers, fractions and comparisons of two fields are additions to
  flowlogs-pipeline.`;

/** deploy/reference/pipeline.gen.md: every key of a pipeline's configuration. */
export function generatePipelineReference(): GeneratedFile {
  const program = strictObject(programKeys, { description: '' });
  const text = [
    INTRODUCTION,
    `## The graph\n\n${keys(describeSchema(configSchema([])).rows)}`,
    `${PROGRAM}\n\n${table(
      ['Key', 'Description'],
      describeSchema(program).rows.map(({ key, description }) => [code(key), description]),
    )}`,
    ...SECTIONS.flatMap((section) => sectionText(section)),
    CONDITIONS,
  ].join('\n\n');
  return { path: 'deploy/reference/pipeline.gen.md', text: `${text}\n` };
}

/** deploy/reference/pipeline.schema.gen.json: the same for editors. */
export function generatePipelineSchema(): GeneratedFile {
  const schema = editorSchema(fileSchema(STAGE_TYPES), 'Pipeline of netobserv');
  const text = `${JSON.stringify(schema, null, 2)}\n`;
  return { path: 'deploy/reference/pipeline.schema.gen.json', text };
}

function sectionText(section: string): readonly string[] {
  const types = STAGE_TYPES.filter((type) => type.section === section);
  return types.length === 0 ? [] : [`## ${section}`, ...types.map(stageText)];
}

function stageText({ section, type, schema }: StageType): string {
  const { description, rows, alternatives } = describeSchema(schema);
  const { examples = [] } = schema as Shape;
  return [
    `### ${section}: ${type}`,
    description,
    keys(rows),
    ...alternatives.map(alternativeText),
    ...examples.map((options) => yaml({ name: type, [section]: { type, [type]: options } })),
  ].join('\n\n');
}

function alternativeText({ path, types, rows }: KeyTable): string {
  const heading = `#### ${code(path)} of type ${types.map(([word]) => code(word)).join(', ')}`;
  const [first] = types;
  const text =
    types.length === 1
      ? first![1]
      : types.map(([word, description]) => `- ${code(word)}: ${description}`).join('\n');
  return [heading, text, ...(rows.length === 0 ? [] : [keys(rows)])].join('\n\n');
}

function keys(rows: readonly KeyRow[]): string {
  if (rows.length === 0) return 'No options.';
  return table(
    ['Key', 'Type', 'Default', 'Bounds', 'Description'],
    rows.map(({ key, type, isRequired, fallback, bounds, description }) => [
      code(key),
      type,
      isRequired ? 'required' : code(fallback),
      bounds,
      description,
    ]),
  );
}

function yaml(stage: unknown): string {
  return `\`\`\`yaml\n${stringify({ parameters: [stage] }).trimEnd()}\n\`\`\``;
}
