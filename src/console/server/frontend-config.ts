import { COLUMNS, type TableColumn } from '../../flow/columns.ts';
import type { Feature, FieldSpec } from '../../flow/field.ts';
import { FIELDS } from '../../flow/fields.ts';
import { FILTERS, type FilterSpec } from '../../flow/filters.ts';
import { SCOPES, type Scope } from '../../flow/scopes.ts';
import { classOfKind } from '../../query/keys.ts';
import type {
  ColumnConfig,
  FieldConfig,
  FilterConfig,
  FrontendConfig,
  ScopeConfig,
} from '../api.ts';
import type { FrontendFacts } from './config.ts';
import type { ConsoleDeps } from './context.ts';

/** State that may change between requests of the front end. */
export interface FrontendState {
  readonly version: ConsoleDeps['version'];
  readonly features: readonly string[];
  /** Whether there is a session to log out of. */
  readonly login: boolean;
}

/** Configuration of the front end: the field table as people see it, and the enabled features. */
export function frontendConfig(
  facts: FrontendFacts,
  { version, features, login }: FrontendState,
): FrontendConfig {
  const on: ReadonlySet<string> = new Set(features);
  const isOn = (feature: Feature | undefined): boolean => feature === undefined || on.has(feature);
  return {
    buildVersion: version.version,
    buildDate: version.buildDate,
    login,
    timeZone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
    ...facts,
    features: [...on],
    columns: COLUMNS.map((column) => columnOf(column, isOn)),
    filters: FILTERS.map(filterOf),
    scopes: SCOPES.map(scopeOf),
    fields: FIELDS.map(fieldOf),
    dataSources: ['store'],
    lokiMocks: false,
    lokiLabels: FIELDS.filter((field) => field.lokiLabel && isOn(field.feature)).map(
      (field) => field.name,
    ),
    promLabels: [],
    // Rows in the store are visible as soon as they are written: nothing ages in chunks.
    maxChunkAgeMs: 0,
  };
}

function columnOf(
  { bareDefault, yieldsTo, ...column }: TableColumn,
  isOn: (feature: Feature | undefined) => boolean,
): ColumnConfig {
  const wanted = column.default === true || (bareDefault === true && !isOn('kubernetes'));
  const yields = yieldsTo !== undefined && isOn(yieldsTo);
  return { ...column, default: wanted && !yields && isOn(column.feature) };
}

function filterOf({ quoted, ...filter }: FilterSpec): FilterConfig {
  return quoted === undefined ? filter : { ...filter, autoCompleteAddsQuotes: quoted };
}

/** One filter, or one for each end, as in the console plugin's configuration. */
function scopeOf({ filters, ...scope }: Scope): ScopeConfig {
  const [first] = filters;
  return filters.length === 1 && first !== undefined
    ? { ...scope, filter: first }
    : { ...scope, filters };
}

function fieldOf({ name, kind, meaning }: FieldSpec): FieldConfig {
  const field = { name, type: typeOf(kind), description: meaning };
  if (kind === 'addr') return { ...field, format: 'IP' };
  return kind === 'mac' ? { ...field, format: 'MAC' } : field;
}

function typeOf(kind: FieldSpec['kind']): FieldConfig['type'] {
  if (kind === 'list<u32>') return 'number[]';
  if (kind === 'list<str>') return 'string[]';
  return classOfKind(kind) === 'number' ? 'number' : 'string';
}
