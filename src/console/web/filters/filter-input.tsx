import FilterIcon from '@patternfly/react-icons/dist/esm/icons/filter-icon';
import type { TFunction } from 'i18next';
import {
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useDeferredValue,
  useEffect,
  useId,
  useState,
} from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig } from '../../api.ts';
import { useValues } from '../data/queries.ts';
import type { FilterTerm, Range } from '../state/view-state.ts';
import {
  availableFilters,
  fieldSuggestions,
  operatorSuggestions,
  type Stage,
  type Suggestion,
  stageOf,
  suggestionField,
  takesRanges,
  valueSuggestions,
} from './suggest.ts';
import { parseDraft, splitValues } from './terms.ts';

interface FilterInputProps {
  readonly config: FrontendConfig;
  readonly range: Range;
  readonly text: string;
  readonly inputRef: RefObject<HTMLInputElement | null>;
  readonly onText: (text: string) => void;
  readonly onTerm: (term: FilterTerm) => void;
  /** Backspace in the empty input: moves the last condition back into it. */
  readonly onTakeBack: () => void;
}

/** One input that suggests a field, then an operator, then values (a combobox of WAI-ARIA). */
export function FilterInput(props: FilterInputProps): ReactNode {
  const { t } = useTranslation();
  const { config, text, onText } = props;
  const listId = useId();
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const stage = stageOf(text, config.filters);
  const suggestions = useSuggestions(stage, config, props.range, open);
  const current = suggestions[active];

  // A new text starts a new choice.
  useEffect(() => setActive(-1), [text]);

  function submit(raw: string): boolean {
    const draft = parseDraft(raw, config.filters);
    const values = draft === undefined ? [] : splitValues(draft.rest);
    if (draft === undefined || values.length === 0) return false;
    props.onTerm({ id: draft.filter.id, operator: draft.operator, values, disabled: false });
    onText('');
    return true;
  }

  function pick(suggestion: Suggestion): void {
    if (suggestion.completes && submit(suggestion.text)) return;
    onText(suggestion.text);
    setOpen(true);
  }

  function onKeyDown(event: KeyboardEvent<HTMLInputElement>): void {
    const { key } = event;
    if (key === 'ArrowDown' || key === 'ArrowUp') {
      event.preventDefault();
      setOpen(true);
      const count = suggestions.length;
      if (count > 0) setActive((old) => (key === 'ArrowDown' ? old + 1 : old + count) % count);
    } else if (key === 'Enter' || (key === 'Tab' && open && text !== '' && !event.shiftKey)) {
      // Tab leaves the input when there is nothing to complete.
      const chosen = current ?? (stage.kind === 'value' ? undefined : suggestions[0]);
      if (key === 'Tab' && chosen === undefined) return;
      event.preventDefault();
      if (chosen !== undefined) pick(chosen);
      else submit(text);
    } else if (key === 'Escape') {
      if (open) setOpen(false);
      else onText('');
    } else if (key === 'Backspace' && text === '') {
      event.preventDefault();
      props.onTakeBack();
    }
  }

  return (
    <div className="filter-input">
      <FilterIcon className="filter-input-icon" aria-hidden="true" />
      <input
        ref={props.inputRef}
        id="filter-input"
        className="filter-input-field"
        role="combobox"
        aria-label={t('filters.add')}
        aria-expanded={open && suggestions.length > 0}
        aria-controls={listId}
        aria-autocomplete="list"
        aria-activedescendant={current === undefined ? undefined : `${listId}-${active}`}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        placeholder={t('filters.placeholder')}
        value={text}
        onChange={(event) => {
          onText(event.target.value);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onClick={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      <span className="filter-input-key" aria-hidden="true">
        /
      </span>
      <SuggestionList
        id={listId}
        open={open}
        stage={stage}
        suggestions={suggestions}
        active={active}
        isRange={takesRanges(stage, config)}
        onPick={pick}
      />
    </div>
  );
}

function useSuggestions(
  stage: Stage,
  config: FrontendConfig,
  range: Range,
  open: boolean,
): readonly Suggestion[] {
  const { t } = useTranslation();
  const partial = useDeferredValue(stage.kind === 'value' ? stage.partial : '');
  const field = open && stage.kind === 'value' ? suggestionField(stage.filter, config) : undefined;
  // The search takes plain text, without quotes and wildcards.
  const values = useValues(field, partial.replace(/["*]/g, ''), range);
  if (stage.kind === 'field') return fieldSuggestions(stage.text, availableFilters(config));
  if (stage.kind === 'operator') {
    return operatorSuggestions(stage.filter, config, (operator) =>
      t(`filters.operator.${operator}`),
    );
  }
  return valueSuggestions(stage, values.data?.values ?? [], config);
}

function SuggestionList(props: {
  readonly id: string;
  readonly open: boolean;
  readonly stage: Stage;
  readonly suggestions: readonly Suggestion[];
  readonly active: number;
  /** Lists and ranges of numbers are possible. */
  readonly isRange: boolean;
  readonly onPick: (suggestion: Suggestion) => void;
}): ReactNode {
  const { t } = useTranslation();
  const { stage, suggestions, active, id } = props;
  useEffect(() => {
    document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: 'nearest' });
  }, [id, active]);

  return (
    <div className="suggestions" hidden={!props.open}>
      <p className="suggestions-title" aria-live="polite">
        {suggestionTitle(stage, suggestions.length, t)}
      </p>
      {props.isRange ? <p className="suggestions-title">{t('filters.numbers')}</p> : undefined}
      <div
        id={id}
        role="listbox"
        aria-label={
          stage.kind === 'value'
            ? t('filters.value', { name: stage.filter.name })
            : t('filters.fields')
        }
        className="suggestions-list"
      >
        {suggestions.map((suggestion, index) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the input keeps the focus.
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input handles the keys.
          <div
            key={suggestion.key}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === active}
            className="suggestion"
            // Keeps the focus in the input.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => props.onPick(suggestion)}
          >
            <span className="suggestion-label">{suggestion.label}</span>
            <span className="suggestion-detail">{suggestion.detail}</span>
          </div>
        ))}
      </div>
    </div>
  );
}

function suggestionTitle(stage: Stage, count: number, t: TFunction): string {
  if (stage.kind === 'field') {
    return count === 0 ? t('filters.noField', { text: stage.text.trim() }) : t('filters.fields');
  }
  if (stage.kind === 'operator') return t('filters.operators');
  if (count > 0) return t('filters.values', { name: stage.filter.name });
  return stage.partial === ''
    ? (stage.filter.hint ?? t('filters.typeValue'))
    : t('filters.noValue', { text: stage.partial });
}
