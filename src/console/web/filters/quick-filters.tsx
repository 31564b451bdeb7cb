import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig, QuickFilter } from '../../api.ts';
import { useView } from '../state/view.ts';
import type { FilterTerm } from '../state/view-state.ts';
import { splitValues } from './terms.ts';

/** Ready-made conditions of the configuration; each can be switched on and off. */
export function QuickFilters({ config }: { readonly config: FrontendConfig }): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  if (config.quickFilters.length === 0) return undefined;

  return (
    <fieldset className="quick-filters" aria-label={t('filters.quick')}>
      {config.quickFilters.map((quick) => {
        const terms = quickTerms(quick);
        const present = terms.every((term) => view.filters.some((one) => sameTerm(one, term)));
        const without = view.filters.filter((one) => !terms.some((term) => sameTerm(one, term)));
        return (
          <button
            key={quick.name}
            type="button"
            className="quick-filter"
            aria-pressed={present}
            onClick={() => setView({ filters: present ? without : [...without, ...terms] })}
          >
            {quick.name}
          </button>
        );
      })}
    </fieldset>
  );
}

/** A key that ends in `!` excludes, as in the console plugin's configuration. */
function quickTerms(quick: QuickFilter): readonly FilterTerm[] {
  return Object.entries(quick.filter).map(([key, value]) => ({
    id: key.replace(/!$/, ''),
    operator: key.endsWith('!') ? '!=' : '=',
    values: splitValues(value),
    disabled: false,
  }));
}

function sameTerm(a: FilterTerm, b: FilterTerm): boolean {
  return a.id === b.id && a.operator === b.operator && a.values.join() === b.values.join();
}
