import EyeIcon from '@patternfly/react-icons/dist/esm/icons/eye-icon';
import EyeSlashIcon from '@patternfly/react-icons/dist/esm/icons/eye-slash-icon';
import TimesIcon from '@patternfly/react-icons/dist/esm/icons/times-icon';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig } from '../../api.ts';
import { formatCell } from '../flows/format-value.ts';
import { visible } from '../format/visible.ts';
import { Choice } from '../parts/choice.tsx';
import { IconButton } from '../parts/icon-button.tsx';
import { useView } from '../state/view.ts';
import type { FilterTerm } from '../state/view-state.ts';
import { groupTerms } from './terms.ts';

const MATCHES = ['all', 'any'] as const;

interface ChipsProps {
  readonly config: FrontendConfig;
  readonly onEdit: (index: number) => void;
}

/** The conditions, grouped by the end of the flow that they apply to. */
export function Chips({ config, onEdit }: ChipsProps): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  const groups = groupTerms(view.filters, config.filters);
  return (
    <div className="chips">
      {view.filters.length < 2 ? undefined : (
        <Choice
          label={t('filters.match')}
          variant="plainText"
          value={view.match}
          options={MATCHES.map((match) => ({
            value: match,
            label: match === 'all' ? t('filters.matchAll') : t('filters.matchAny'),
          }))}
          onChange={(match) => setView({ match })}
        />
      )}
      {groups.map(({ category, indices }) => (
        <fieldset key={category} className="chip-group">
          <legend className="chip-group-name">{t(`filters.${category}`)}</legend>
          {indices.map((index) => (
            <Chip
              key={index}
              config={config}
              term={view.filters[index]!}
              onEdit={() => onEdit(index)}
              onChange={(term) => setView({ filters: view.filters.with(index, term) })}
              onRemove={() => setView({ filters: view.filters.toSpliced(index, 1) })}
            />
          ))}
        </fieldset>
      ))}
      <button type="button" className="link-button" onClick={() => setView({ filters: [] })}>
        {t('filters.clear')}
      </button>
    </div>
  );
}

interface ChipProps {
  readonly config: FrontendConfig;
  readonly term: FilterTerm;
  readonly onEdit: () => void;
  readonly onChange: (term: FilterTerm) => void;
  readonly onRemove: () => void;
}

function Chip({ config, term, onEdit, onChange, onRemove }: ChipProps): ReactNode {
  const { t } = useTranslation();
  const filter = config.filters.find((candidate) => candidate.id === term.id);
  const name = filter?.name ?? term.id;
  const values = term.values
    .map((value) => (value === '""' ? t('filters.empty') : shownValue(value, filter?.key, config)))
    .join(', ');
  const text = `${name} ${term.operator} ${values}`;
  const toggle = term.disabled ? t('filters.enable', { text }) : t('filters.disable', { text });
  return (
    <span className={`chip ${term.disabled ? 'chip-disabled' : ''}`}>
      <button
        type="button"
        className="chip-text"
        title={visible(`${term.id}${term.operator}${term.values.join(',')}`)}
        aria-label={t('filters.edit', { text })}
        onClick={onEdit}
      >
        <span className="chip-name">{name}</span>
        <span className="chip-operator">{term.operator}</span>
        <span className="chip-value">{values}</span>
      </button>
      <IconButton
        label={toggle}
        aria-pressed={term.disabled}
        onClick={() => onChange({ ...term, disabled: !term.disabled })}
      >
        {term.disabled ? <EyeSlashIcon /> : <EyeIcon />}
      </IconButton>
      <IconButton label={t('filters.remove', { text })} onClick={onRemove}>
        <TimesIcon />
      </IconButton>
    </span>
  );
}

/** Protocol 6 also reads as TCP in a chip; texts stay as typed. */
function shownValue(value: string, key: string | undefined, config: FrontendConfig): string {
  const column =
    key === undefined ? undefined : config.columns.find((candidate) => candidate.field === key);
  return column !== undefined && /^\d+$/.test(value)
    ? formatCell(Number(value), column, { config, row: {} })
    : visible(value);
}
