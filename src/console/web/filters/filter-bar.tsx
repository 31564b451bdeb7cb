import { type ReactNode, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig } from '../../api.ts';
import { RefusedError } from '../data/client.ts';
import { useView } from '../state/view.ts';
import { Chips } from './chips.tsx';
import { FilterInput } from './filter-input.tsx';
import { QuickFilters } from './quick-filters.tsx';
import { addTerm } from './terms.ts';
import { useRefusal } from './use-refusal.ts';

/** The input, its conditions as chips below it, and the server's objections to them. */
export function FilterBar({ config }: { readonly config: FrontendConfig }): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  const [text, setText] = useState('');
  const inputRef = useRef<HTMLInputElement>(null);
  const refusal = useRefusal();
  useSlashKey(inputRef);

  /** Moves a condition back into the input to change it there. */
  function edit(index: number): void {
    const term = view.filters[index];
    if (term === undefined) return;
    setText(`${term.id}${term.operator}${term.values.join(',')}`);
    setView({ filters: view.filters.toSpliced(index, 1) });
    inputRef.current?.focus();
  }

  return (
    <section className="filter-bar" aria-label={t('filters.label')}>
      <div className="filter-row">
        <FilterInput
          config={config}
          range={view.range}
          text={text}
          inputRef={inputRef}
          onText={setText}
          onTerm={(term) => setView({ filters: addTerm(view.filters, term) })}
          onTakeBack={() => edit(view.filters.length - 1)}
        />
        <QuickFilters config={config} />
      </div>
      {view.filters.length === 0 ? undefined : <Chips config={config} onEdit={edit} />}
      {refusal instanceof RefusedError ? (
        <p className="field-error" role="alert">
          {t('filters.refused', { message: refusal.message })}
        </p>
      ) : undefined}
    </section>
  );
}

/** `/` jumps to the input, as in many tools, except while typing. */
function useSlashKey(inputRef: { readonly current: HTMLInputElement | null }): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const target = event.target;
      const typing = target instanceof HTMLElement && target.matches('input, textarea, select');
      if (event.key !== '/' || event.ctrlKey || event.metaKey || typing) return;
      event.preventDefault();
      inputRef.current?.focus();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [inputRef]);
}
