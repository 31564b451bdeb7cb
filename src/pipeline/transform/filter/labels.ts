import type { FlowBatch } from '../../../flow/batch.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { RuleOf } from '../../options/transform/filter.ts';
import { cellText } from '../../row-text.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { comparisonOf } from './comparison.ts';
import { Scratch } from './expression/row-sets.ts';

/** The field with the labels of a flow: `name=value,name=value`, in the order of the rules. */
const LABELS = 'labels';

/** Adds the same label to every flow. */
export function addLabel(
  { input, value }: RuleOf<'add_label'>['addLabel'],
  context: StageContext,
): Transform {
  const label = `${input}=${String(value)}`;
  return labelling(`add_label ${input}`, [], context, (batch) => {
    for (let row = 0; row < batch.length; row++) append(batch, row, label);
  });
}

/** Adds a label, with a text or the value of the input, to flows whose input compares well. */
export function addLabelIf(
  { input, output, parameters, assignee }: RuleOf<'add_label_if'>['addLabelIf'],
  context: StageContext,
): Transform {
  const at = { ...context, path: `${context.path}.addLabelIf` };
  const { narrow } = comparisonOf(input, parameters, at);
  const scratch = new Scratch();
  return labelling(`add_label_if ${input}`, [input], context, (batch) => {
    const rows = scratch.rowsFor(batch);
    const count = narrow(batch, undefined, batch.length, rows);
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      const value = assignee === '' ? (cellText(batch, input, row) ?? '') : assignee;
      append(batch, row, `${output}=${value}`);
    }
  });
}

function labelling(
  name: string,
  reads: readonly string[],
  context: StageContext,
  apply: (batch: FlowBatch) => void,
): Transform {
  const kind = context.declaredKind(LABELS) ?? 'str';
  if (kind !== 'str') {
    const problem = `field ${LABELS} holds ${kind}, but labels are a text`;
    throw configError(PIPELINE_ERRORS.fieldKind, context.path, problem);
  }
  return {
    kind: 'transform',
    name,
    reads: [...reads, LABELS],
    writes: [{ name: LABELS, kind }],
    apply,
  };
}

function append(batch: FlowBatch, row: number, label: string): void {
  const { strings } = batch.tables;
  const ids = batch.ids(LABELS);
  const earlier = strings.text(ids[row]!);
  ids[row] = strings.intern(earlier === '' ? label : `${earlier},${label}`);
}
