import { textOf } from '../../../base/shown.ts';
import type { ColumnSpec } from '../../../flow/batch.ts';
import type { FieldKind } from '../../../flow/field.ts';
import { ColumnTest } from '../../column-test.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type {
  ConntrackOptions,
  OutputFieldOptions,
  SchedulingOptions,
} from '../../options/extract/conntrack.ts';
import { ConfigProblems } from '../../problems.ts';
import type { StageContext } from '../../stage.ts';
import { requireKind } from '../../transform/require-kind.ts';
import { KEY_KINDS, NUMBER_KINDS } from '../rule.ts';
import { checkKeys, checkOutputs, checkScheduling, checkTcpFlags } from './check.ts';
import type { HashGroups } from './key-hasher.ts';
import {
  NumberOutput,
  type Output,
  type OutputErrors,
  outputNames,
  ValueOutput,
} from './outputs.ts';
import { type Values, valuesOf } from './values.ts';

/** A field of the key. */
export interface KeyField {
  readonly name: string;
  /** The field at the same place of the other side: the other names it when sides are swapped. */
  readonly mirror: string;
  readonly kind: FieldKind;
  readonly values: Values;
}

/** Times of the connections that the tests choose. */
export interface ScheduleGroup {
  readonly label: string;
  readonly tests: readonly ColumnTest[];
  /** The same for connections whose sides are swapped. */
  readonly mirrored: readonly ColumnTest[];
  readonly times: SchedulingOptions;
}

/** Options that were checked, and bound to the columns that exist here. */
export interface ConntrackPlan {
  readonly hash: HashGroups;
  readonly keys: readonly KeyField[];
  readonly outputs: readonly Output[];
  readonly groups: readonly ScheduleGroup[];
  readonly reads: readonly string[];
  /** Columns of the records of connections. */
  readonly columns: readonly ColumnSpec[];
}

/** Checks the options as a whole; throws one error for all problems. */
export function planConntrack(
  options: ConntrackOptions,
  context: StageContext,
  errors: OutputErrors,
): ConntrackPlan {
  const problems = new ConfigProblems();
  const report = (option: string, problem: string): void => {
    problems.attempt(() => {
      throw configError(PIPELINE_ERRORS.extract, `${context.path}.${option}`, problem);
    });
  };
  checkKeys(options, report);
  checkOutputs(options, report);
  checkScheduling(options, report);
  checkTcpFlags(options, report);
  const keys = planKeys(options, context, problems);
  const outputs = options.outputFields.map((field, index) =>
    problems.attempt(() => planOutput(field, `outputFields[${index}]`, context, errors)),
  );
  const flags = options.tcpFlags.fieldName;
  const usesFlags = options.tcpFlags.detectEndConnection || options.tcpFlags.swapAB;
  if (usesFlags && flags !== '') {
    problems.attempt(() => requireKind(context, 'tcpFlags.fieldName', flags, NUMBER_KINDS));
  }
  problems.throwAll();
  const planned = outputs.filter((output) => output !== undefined);
  const reads = ['Proto', 'Duplicate', ...keys.map(({ name }) => name)];
  reads.push(...planned.map(({ input }) => input), ...(usesFlags ? [flags] : []));
  return {
    hash: hashGroups(options),
    keys,
    outputs: planned.map(({ output }) => output),
    groups: options.scheduling.map((group, index) => planGroup(group, index, keys)),
    reads: [...new Set(reads)],
    columns: [
      { name: '_RecordType', kind: 'str' },
      { name: '_HashId', kind: 'str' },
      { name: '_IsFirst', kind: 'u8' },
      ...keys.map(({ name, kind }) => ({ name, kind })),
      ...planned.flatMap(({ columns }) => columns),
    ],
  };
}

function planKeys(
  { keyDefinition }: ConntrackOptions,
  context: StageContext,
  problems: ConfigProblems,
): readonly KeyField[] {
  const { fieldGroups, hash } = keyDefinition;
  const fieldsOf = (group: string) => fieldGroups.find(({ name }) => name === group)?.fields ?? [];
  const a = fieldsOf(hash.fieldGroupARef);
  const b = fieldsOf(hash.fieldGroupBRef);
  const mirrors = new Map(a.map((field, index) => [field, b[index] ?? field]));
  for (const [index, field] of b.entries()) mirrors.set(field, a[index] ?? field);
  const keys = new Map<string, KeyField>();
  for (const [index, { fields }] of fieldGroups.entries()) {
    for (const [place, name] of fields.entries()) {
      if (keys.has(name)) continue;
      const option = `keyDefinition.fieldGroups[${index}].fields[${place}]`;
      const known = problems.attempt(() => requireKind(context, option, name, KEY_KINDS));
      const kind = known ?? context.declaredKind(name) ?? 'any';
      keys.set(name, { name, mirror: mirrors.get(name) ?? name, kind, values: valuesOf(kind) });
    }
  }
  for (const { name, mirror, kind } of keys.values()) {
    const other = keys.get(mirror)?.kind ?? kind;
    if (other === kind || !a.includes(name)) continue;
    const problem = `field ${name} holds ${kind}, but ${mirror} of the other side holds ${other}`;
    problems.attempt(() => {
      const path = `${context.path}.keyDefinition.hash`;
      throw configError(PIPELINE_ERRORS.fieldKind, path, problem);
    });
  }
  return [...keys.values()];
}

function hashGroups({ keyDefinition: { fieldGroups, hash } }: ConntrackOptions): HashGroups {
  const fieldsOf = (group: string) => fieldGroups.find(({ name }) => name === group)!.fields;
  const { fieldGroupRefs, fieldGroupARef: a, fieldGroupBRef: b } = hash;
  return {
    common: fieldGroupRefs.map(fieldsOf),
    sides: a === '' ? undefined : { a: fieldsOf(a), b: fieldsOf(b) },
  };
}

interface PlannedOutput {
  readonly input: string;
  readonly output: Output;
  readonly columns: readonly ColumnSpec[];
}

function planOutput(
  field: OutputFieldOptions,
  option: string,
  context: StageContext,
  errors: OutputErrors,
): PlannedOutput {
  const { operation } = field;
  const input = field.input === '' ? field.name : field.input;
  const spec = { ...field, input };
  const names = outputNames(field);
  const place = field.input === '' ? `${option}.name` : `${option}.input`;
  if (operation === 'first' || operation === 'last') {
    const kind = requireKind(context, place, input) ?? context.declaredKind(field.name) ?? 'any';
    checkKind(context, `${option}.name`, field.name, kind);
    const output = new ValueOutput(spec, operation === 'first', valuesOf(kind), errors);
    return { input, output, columns: [{ name: field.name, kind }] };
  }
  const from = operation === 'count' ? 'f64' : requireKind(context, place, input, NUMBER_KINDS);
  const isExtreme = operation === 'min' || operation === 'max';
  const columns = names.map((name): ColumnSpec => {
    // The least and the greatest value fit where all values do.
    const keepsKind = isExtreme && from !== 'any' && from === context.declaredKind(name);
    const kind = from !== undefined && keepsKind ? from : 'f64';
    checkKind(context, `${option}.name`, name, kind);
    return { name, kind };
  });
  return { input, output: new NumberOutput(spec, operation, errors), columns };
}

function checkKind(context: StageContext, option: string, name: string, kind: FieldKind): void {
  const known = context.declaredKind(name);
  if (known === undefined || known === kind) return;
  const problem = `field ${name} holds ${known}, but the result is ${kind}: choose another name`;
  throw configError(PIPELINE_ERRORS.fieldKind, `${context.path}.${option}`, problem);
}

function planGroup(
  times: SchedulingOptions,
  index: number,
  keys: readonly KeyField[],
): ScheduleGroup {
  const entries = Object.entries(times.selector);
  const text = entries.map(([field, value]) => `${field}=${textOf(value)}, `).join('');
  const test = (field: string, value: unknown): ColumnTest => {
    const wanted = textOf(value);
    return new ColumnTest(field, false, (found) => found === wanted);
  };
  const mirrorOf = (field: string) => keys.find(({ name }) => name === field)?.mirror ?? field;
  return {
    label: `${index}: ${text === '' ? 'DEFAULT' : text}`,
    tests: entries.map(([field, value]) => test(field, value)),
    mirrored: entries.map(([field, value]) => test(mirrorOf(field), value)),
    times,
  };
}
