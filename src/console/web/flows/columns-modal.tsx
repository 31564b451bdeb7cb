import { Button } from '@patternfly/react-core/dist/dynamic/components/Button';
import {
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
} from '@patternfly/react-core/dist/dynamic/components/Modal';
import ArrowDownIcon from '@patternfly/react-icons/dist/esm/icons/arrow-down-icon';
import ArrowUpIcon from '@patternfly/react-icons/dist/esm/icons/arrow-up-icon';
import GripIcon from '@patternfly/react-icons/dist/esm/icons/grip-vertical-icon';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ColumnConfig } from '../../api.ts';
import { useStatus } from '../data/queries.ts';
import { IconButton } from '../parts/icon-button.tsx';
import { columnTitle, move } from './columns.ts';

interface ColumnsModalProps {
  readonly columns: readonly ColumnConfig[];
  readonly shown: readonly string[];
  readonly onSave: (ids: readonly string[] | undefined) => void;
  readonly onClose: () => void;
}

export default function ColumnsModal(props: ColumnsModalProps): ReactNode {
  const { t } = useTranslation();
  const [order, setOrder] = useState(() => initialOrder(props.columns, props.shown));
  const [ticked, setTicked] = useState<ReadonlySet<string>>(() => new Set(props.shown));
  const [search, setSearch] = useState('');
  const [dragged, setDragged] = useState<string>();
  const byId = new Map(props.columns.map((column) => [column.id, column]));
  const wanted = search.trim().toLowerCase();
  const titleOf = (id: string): string => columnTitle(byId.get(id)!, props.columns);
  const groupOf = (id: string): string => byId.get(id)?.group ?? '';
  const listed = order.filter((id) =>
    `${titleOf(id)} ${groupOf(id)} ${id}`.toLowerCase().includes(wanted),
  );
  const chosen = order.filter((id) => ticked.has(id));
  const defaults = props.columns.filter((column) => column.default).map((column) => column.id);

  function restore(): void {
    setOrder(initialOrder(props.columns, defaults));
    setTicked(new Set(defaults));
    setSearch('');
  }

  return (
    <Modal isOpen variant="small" aria-labelledby="columns-title" onClose={props.onClose}>
      <ModalHeader
        title={t('columns.title')}
        labelId="columns-title"
        description={t('columns.hint')}
      />
      <ModalBody className="columns-body" tabIndex={0} aria-label={t('columns.title')}>
        <div className="columns-search">
          <input
            className="text-input"
            type="search"
            aria-label={t('columns.search')}
            placeholder={t('columns.search')}
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
          <span className="panel-subtitle" aria-live="polite">
            {t('columns.count', { shown: chosen.length, all: order.length })}
          </span>
        </div>
        {listed.length === 0 ? <p>{t('columns.nothing', { text: search })}</p> : undefined}
        <ul className="columns-list">
          {listed.map((id, index) => (
            <ColumnItem
              key={id}
              id={id}
              name={titleOf(id)}
              group={groupOf(id)}
              ticked={ticked.has(id)}
              isFirst={index === 0}
              isLast={index === listed.length - 1}
              dragged={dragged === id}
              onTick={() => setTicked(toggled(ticked, id))}
              onMove={(by) => {
                const neighbour = listed[index + by];
                if (neighbour !== undefined) setOrder(moveTo(order, id, neighbour));
              }}
              onDrag={setDragged}
              onDragOver={() => {
                if (dragged !== undefined && dragged !== id) setOrder(moveTo(order, dragged, id));
              }}
            />
          ))}
        </ul>
        <Unavailable />
      </ModalBody>
      <ModalFooter>
        <Button
          isDisabled={chosen.length === 0}
          onClick={() => props.onSave(chosen.join() === defaults.join() ? undefined : chosen)}
        >
          {t('columns.save')}
        </Button>
        <Button variant="secondary" onClick={restore}>
          {t('columns.restore')}
        </Button>
        <Button variant="link" onClick={props.onClose}>
          {t('columns.cancel')}
        </Button>
        <p className="field-error" role="alert">
          {chosen.length === 0 ? t('columns.none') : ''}
        </p>
      </ModalFooter>
    </Modal>
  );
}

/** Explains why columns are missing: the kernel refused their feature. */
function Unavailable(): ReactNode {
  const { t } = useTranslation();
  const features = useStatus().data?.agent.features ?? [];
  const missing = features.filter(({ state }) => state === 'unavailable');
  if (missing.length === 0) return undefined;
  return (
    <ul className="columns-missing" aria-label={t('columns.missing')}>
      {missing.map(({ name, why }) => (
        <li key={name}>{t('columns.unavailable', { name, why })}</li>
      ))}
    </ul>
  );
}

interface ColumnItemProps {
  readonly id: string;
  readonly name: string;
  /** Empty for columns without a heading over them. */
  readonly group: string;
  readonly ticked: boolean;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly dragged: boolean;
  readonly onTick: () => void;
  readonly onMove: (by: -1 | 1) => void;
  readonly onDrag: (id: string | undefined) => void;
  readonly onDragOver: () => void;
}

function ColumnItem(props: ColumnItemProps): ReactNode {
  const { t } = useTranslation();
  const { id, name, group } = props;
  return (
    <li
      className={`columns-item ${props.dragged ? 'dragged' : ''}`}
      draggable
      onDragStart={() => props.onDrag(id)}
      onDragEnd={() => props.onDrag(undefined)}
      onDragOver={(event) => event.preventDefault()}
      onDragEnter={props.onDragOver}
    >
      <GripIcon className="grip" aria-hidden="true" />
      <label className="columns-label">
        <input type="checkbox" checked={props.ticked} onChange={props.onTick} />
        <span>{name}</span>
      </label>
      {name.startsWith(group) ? undefined : <span className="panel-subtitle">{group}</span>}
      <IconButton
        label={t('columns.up', { name })}
        disabled={props.isFirst}
        onClick={() => props.onMove(-1)}
      >
        <ArrowUpIcon />
      </IconButton>
      <IconButton
        label={t('columns.down', { name })}
        disabled={props.isLast}
        onClick={() => props.onMove(1)}
      >
        <ArrowDownIcon />
      </IconButton>
    </li>
  );
}

/** The columns shown by default, in their order. */
function initialOrder(
  columns: readonly ColumnConfig[],
  shown: readonly string[],
): readonly string[] {
  const all = columns.map((column) => column.id);
  return [...shown, ...all.filter((id) => !shown.includes(id))];
}

function moveTo(order: readonly string[], id: string, place: string): readonly string[] {
  return move(order, order.indexOf(id), order.indexOf(place));
}

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
}
