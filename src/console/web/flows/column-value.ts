import type { ColumnConfig, FlowRow } from '../../api.ts';
import { joinAddressPort } from '../format/names.ts';

/** Reads a column's cell: a value of the row, a pair of them, or something computed. */
export type ColumnReader = (column: ColumnConfig, row: FlowRow) => unknown;

/** Reads cells of the given columns; each calculated one is parsed once. */
export function createColumnReader(columns: readonly ColumnConfig[]): ColumnReader {
  const byId = new Map(columns.map((column) => [column.id, column]));
  const parsed = new Map<string, Expression>();

  const read: ColumnReader = (column, row) => {
    const { calculated } = column;
    if (calculated === undefined) return plainValue(column, row);
    const known = parsed.get(calculated);
    const expression = known ?? parseExpression(calculated);
    if (known === undefined) parsed.set(calculated, expression);
    return evaluate(expression, {
      field: (name) => row[name],
      column(id) {
        const other = byId.get(id);
        return other === undefined || other === column ? undefined : read(other, row);
      },
    });
  };
  return read;
}

function plainValue(column: ColumnConfig, row: FlowRow): unknown {
  if (column.field !== undefined) return row[column.field];
  return column.fields?.map((field) => row[field]);
}

interface Scope {
  readonly field: (name: string) => unknown;
  readonly column: (id: string) => unknown;
}

/**
 * The expressions of calculated columns: `substract(a,b)`, `multiply(a,n)`, `concat(a,':',b)`,
 * `kubeObject(kind,namespace,name,showNamespace)`, `[a,b]`, `a or b`, `column.Id`, field names,
 * numbers and quoted text.
 */
export type Expression =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'column'; readonly name: string }
  | { readonly kind: 'constant'; readonly value: string | number }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] };

export function parseExpression(text: string): Expression {
  const whole = text.trim();
  const choices = splitTopLevel(whole, ' or ');
  if (choices.length > 1) return { kind: 'call', name: 'or', args: choices.map(parseExpression) };
  const call = /^(\w+)\((.*)\)$/s.exec(whole);
  if (call !== null) return { kind: 'call', name: call[1]!, args: parseArguments(call[2]!) };
  const list = /^\[(.*)\]$/s.exec(whole);
  if (list !== null) return { kind: 'call', name: 'list', args: parseArguments(list[1]!) };
  const quoted = /^(['"])(.*)\1$/s.exec(whole);
  if (quoted !== null) return { kind: 'constant', value: quoted[2]! };
  if (/^-?\d+(\.\d+)?$/.test(whole)) return { kind: 'constant', value: Number(whole) };
  const column = /^column\.(.+)$/.exec(whole);
  return column === null ? { kind: 'field', name: whole } : { kind: 'column', name: column[1]! };
}

function parseArguments(text: string): readonly Expression[] {
  return text.trim() === '' ? [] : splitTopLevel(text, ',').map(parseExpression);
}

/** Splits at separators outside brackets and quotes. */
function splitTopLevel(text: string, separator: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = '';
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === "'" || char === '"') quote = char;
    else if (char === '(' || char === '[') depth++;
    else if (char === ')' || char === ']') depth--;
    else if (depth === 0 && text.startsWith(separator, i)) {
      parts.push(text.slice(start, i));
      start = i + separator.length;
      i = start - 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function evaluate(expression: Expression, scope: Scope): unknown {
  if (expression.kind === 'constant') return expression.value;
  if (expression.kind === 'field') return scope.field(expression.name);
  if (expression.kind === 'column') return scope.column(expression.name);
  const args = expression.args.map((arg) => evaluate(arg, scope));
  switch (expression.name) {
    case 'substract':
    case 'subtract':
      return numeric(args, (a, b) => a - b);
    case 'multiply':
      return numeric(args, (a, b) => a * b);
    case 'concat':
      return concat(args);
    case 'kubeObject':
      return kubeObject(args);
    case 'list':
      return args;
    case 'or':
      return args.find((arg) => arg !== undefined && arg !== '');
    default:
      return undefined;
  }
}

function numeric(args: readonly unknown[], apply: (a: number, b: number) => number): unknown {
  const [a, b] = args;
  return typeof a === 'number' && typeof b === 'number' ? apply(a, b) : undefined;
}

/** Absent when any part is absent: half an `address:port` would mislead. */
function concat(args: readonly unknown[]): unknown {
  if (args.some((arg) => arg === undefined || arg === '')) return undefined;
  const [address, colon, port] = args;
  if (args.length === 3 && colon === ':') return joinAddressPort(String(address), port);
  return args.map(String).join('');
}

function kubeObject(args: readonly unknown[]): unknown {
  const [kind, namespace, name, showNamespace] = args;
  if (name === undefined || name === '') return undefined;
  const path =
    showNamespace !== 0 && namespace !== undefined ? `${namespace}/${name}` : String(name);
  return kind === undefined ? path : `${kind} ${path}`;
}
