import CopyIcon from '@patternfly/react-icons/dist/esm/icons/copy-icon';
import MinusIcon from '@patternfly/react-icons/dist/esm/icons/search-minus-icon';
import PlusIcon from '@patternfly/react-icons/dist/esm/icons/search-plus-icon';
import TimesIcon from '@patternfly/react-icons/dist/esm/icons/times-icon';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ColumnConfig, FrontendConfig } from '../../api.ts';
import type { RecordRow } from '../data/rows.ts';
import { formatExact } from '../format/numbers.ts';
import { formatUtc } from '../format/time.ts';
import { visible, visibleJson } from '../format/visible.ts';
import { copyText } from '../parts/copy-text.ts';
import { IconButton } from '../parts/icon-button.tsx';
import { useTimes } from '../state/times.ts';
import { columnTitle } from './columns.ts';
import type { CellFilter } from './flow-cell.tsx';
import { formatCell, formatText, isQuantity, toEpochMs } from './format-value.ts';
import { type RecordEntry, recordGroups } from './record-groups.ts';

interface RecordDrawerProps {
  readonly config: FrontendConfig;
  readonly record: RecordRow;
  readonly onFilter: CellFilter;
  readonly onClose: () => void;
}

/** One flow with all its fields, their meanings, and filters on each of them. */
export default function RecordDrawer(props: RecordDrawerProps): ReactNode {
  const { t } = useTranslation();
  const { config, record, onClose } = props;
  const [tab, setTab] = useState<'fields' | 'raw'>('fields');
  const closeRef = useRef<HTMLDivElement>(null);
  const json = visibleJson(JSON.stringify(record.row, undefined, 2));

  // Each opened flow takes the focus.
  useEffect(() => closeRef.current?.focus(), [record.key]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') onClose();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [onClose]);

  return (
    <aside className="drawer" aria-label={t('record.title')} ref={closeRef} tabIndex={-1}>
      <header className="drawer-head">
        <h2 className="panel-title">{t('record.title')}</h2>
        <IconButton label={t('record.close')} onClick={onClose}>
          <TimesIcon />
        </IconButton>
      </header>
      <div className="drawer-tabs">
        {(['fields', 'raw'] as const).map((name) => (
          <button
            key={name}
            type="button"
            className="drawer-tab"
            aria-pressed={tab === name}
            onClick={() => setTab(name)}
          >
            {t(`record.${name}`)}
          </button>
        ))}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable. */}
      <section className="drawer-body" tabIndex={0} aria-label={t(`record.${tab}`)}>
        {tab === 'raw' ? (
          <RawRecord json={json} />
        ) : (
          recordGroups(record.row, config).map((group) => (
            <section key={group.name} className="record-group">
              <h3 className="record-group-name">{group.name || t('record.other')}</h3>
              <dl className="record-fields">
                {group.entries.map((entry) => (
                  <RecordField key={entry.key} {...props} entry={entry} />
                ))}
              </dl>
            </section>
          ))
        )}
      </section>
    </aside>
  );
}

function RawRecord({ json }: { readonly json: string }): ReactNode {
  const { t } = useTranslation();
  const [outcome, setOutcome] = useState<'copy' | 'copied' | 'copyFailed'>('copy');
  const textRef = useRef<HTMLPreElement>(null);
  const copy = async (): Promise<void> => {
    const done = await copyText(json, textRef.current);
    setOutcome(done ? 'copied' : 'copyFailed');
  };
  return (
    <div className="raw">
      <button type="button" className="tool-button" onClick={() => void copy()}>
        <CopyIcon aria-hidden="true" /> <span aria-live="polite">{t(`record.${outcome}`)}</span>
      </button>
      <pre ref={textRef}>{json}</pre>
    </div>
  );
}

function RecordField(props: RecordDrawerProps & { readonly entry: RecordEntry }): ReactNode {
  const { t } = useTranslation();
  const { entry, config, record } = props;
  const { column, value } = entry;
  const renderer = column?.renderer ?? RENDERERS[entry.key] ?? 'text';
  const context = { config, row: record.row, times: useTimes() };
  const text =
    column === undefined
      ? formatText(value, renderer, context)
      : formatCell(value, column, context);
  const name = column === undefined ? visible(entry.key) : columnTitle(column, config.columns);
  const filter = column?.filter === undefined ? undefined : column;
  return (
    <div className="record-field">
      <dt className="record-name">{column?.name ?? visible(entry.key)}</dt>
      <dd className="record-main">
        <span className="record-value" title={exact(value, renderer)}>
          {text}
        </span>
        {filter === undefined ? undefined : (
          <span className="record-actions">
            <IconButton
              label={t('record.only', { name, value: text })}
              onClick={() => props.onFilter(filter, value, false)}
            >
              <PlusIcon />
            </IconButton>
            <IconButton
              label={t('record.except', { name, value: text })}
              onClick={() => props.onFilter(filter, value, true)}
            >
              <MinusIcon />
            </IconButton>
          </span>
        )}
      </dd>
      {entry.meaning === '' ? undefined : <dd className="record-meaning">{entry.meaning}</dd>}
    </div>
  );
}

/** Renderers of fields without a column in the table. */
const RENDERERS: Readonly<Record<string, ColumnConfig['renderer']>> = {
  Etype: 'etype',
  TimeReceived: 'datetime',
};

function exact(value: unknown, renderer: ColumnConfig['renderer']): string | undefined {
  if (typeof value !== 'number') return undefined;
  if (renderer === 'datetime') return formatUtc(toEpochMs(value));
  return isQuantity(renderer) ? formatExact(value) : String(value);
}
