import { unitsPerSecond } from '../src/flow/field.ts';
import {
  MEASURES,
  type Measure,
  type MeasureMetric,
  type MeasurePanel,
  unitOfMeasure,
} from '../src/flow/measures.ts';
import type { GeneratedFile } from './gen.ts';
import { code, table } from './markdown.ts';

const INTRODUCTION = `<!-- Generated from src/flow/measures.ts by scripts/gen-measures.ts; do not edit. -->

# Measures

A measure adds up flows: it is the \`type\` of \`/api/flow/metrics\`, has panels in the overview of
the console, and has metrics that Prometheus scrapes from \`netobserv up\`. Besides these, every
numeric field of the [flow format](flows-format.gen.md) can be the \`type\` of a query.

- **Adds up** is a field or, without one, the number of flows. *With* restricts it to flows that
  have one of these fields.
- **Feature** is the gate that has to be open; without it, the console has no panels of the measure
  and Prometheus no metrics.
- **Unit** is that of the field. \`/api/flow/metrics\` answers nanoseconds in milliseconds; metrics of
  Prometheus have seconds.`;

/** deploy/reference/measures.gen.md: the table of measures for people. */
export function generateMeasuresReference(): GeneratedFile {
  const measures = MEASURES.map((measure) => [
    code(measure.id),
    measure.meaning,
    addsUp(measure),
    unitOfMeasure(measure) ?? '',
    measure.feature ?? '',
  ]);
  const panels = MEASURES.flatMap(({ id, panels: own = [] }) =>
    own.map((panel) => [panel.title, code(id), panelKind(panel)]),
  );
  const metrics = MEASURES.flatMap((measure) =>
    (measure.metrics ?? []).map((metric) => metricRow(measure, metric)),
  );
  const sections = [
    INTRODUCTION,
    table(['Type', 'Meaning', 'Adds up', 'Unit', 'Feature'], measures),
    '## Panels of the overview',
    table(['Title', 'Measure', 'Shows'], panels),
    '## Metrics of the default pipeline',
    'Names follow `netobserv_`.',
    table(['Name', 'Type', 'Measure', 'Labels', 'Flows'], metrics),
  ];
  return { path: 'deploy/reference/measures.gen.md', text: `${sections.join('\n\n')}\n` };
}

function addsUp({ field, having }: Measure): string {
  const amount = field === undefined ? 'flows' : code(field);
  return having === undefined ? amount : `${amount} with ${having.map(code).join(' or ')}`;
}

function panelKind(panel: MeasurePanel): string {
  switch (panel.kind) {
    case 'rate':
      return `rate by ${panel.by?.map(code).join(', ') ?? 'what the reader chooses'}`;
    case 'ranking':
      return `largest groups by ${panel.by.map(code).join(', ')}`;
    case 'lines':
      return panel.functions.map(code).join(', ');
  }
}

function metricRow(measure: Measure, { name, labels, direction }: MeasureMetric) {
  const isDuration = unitsPerSecond(unitOfMeasure(measure)) !== undefined;
  return [
    code(name),
    isDuration ? 'histogram' : 'counter',
    code(measure.id),
    labels.map(code).join(', '),
    direction === undefined ? 'all' : `${direction} and inner`,
  ];
}
