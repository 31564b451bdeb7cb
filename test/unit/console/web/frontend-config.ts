import type { FrontendConfig } from '../../../../src/console/api.ts';
import { COLUMNS } from '../../../../src/flow/columns.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import { FILTERS } from '../../../../src/flow/filters.ts';
import { classOfKind } from '../../../../src/query/keys.ts';

/** The parts of a server's configuration that the front end's logic uses. */
export function frontendConfigOf(): FrontendConfig {
  return {
    buildVersion: '0.0.0',
    timeZone: 'UTC',
    login: false,
    buildDate: '',
    recordTypes: ['flowLog'],
    features: [],
    portNaming: { enable: true, portNames: { '3100': 'loki' } },
    sampling: 1,
    columns: COLUMNS.map((column) => ({ ...column, default: column.default === true })),
    filters: FILTERS.map(({ quoted, ...filter }) => ({
      ...filter,
      ...(quoted === undefined ? {} : { autoCompleteAddsQuotes: quoted }),
    })),
    scopes: [],
    fields: FIELDS.map(({ name, kind, meaning }) => ({
      name,
      description: meaning,
      type: typeOf(kind),
      ...(kind === 'addr' ? { format: 'IP' as const } : {}),
      ...(kind === 'mac' ? { format: 'MAC' as const } : {}),
    })),
    quickFilters: [],
    dataSources: ['store'],
    lokiMocks: false,
    lokiLabels: [],
    promLabels: [],
    maxChunkAgeMs: 0,
  };
}

function typeOf(kind: (typeof FIELDS)[number]['kind']): 'number' | 'string' | 'string[]' {
  if (classOfKind(kind) === 'number') return 'number';
  return classOfKind(kind) === 'list' ? 'string[]' : 'string';
}
