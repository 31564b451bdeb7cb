import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig } from '../../api.ts';
import { useView } from '../state/view.ts';
import type { Grouping } from '../state/view-state.ts';
import { amountFormat } from './amounts.ts';
import { BarsPanel } from './bars-panel.tsx';
import { groupingName } from './group-names.ts';
import { GroupPicker } from './group-picker.tsx';

interface TopPanelProps {
  readonly config: FrontendConfig;
  readonly grouping: Grouping;
  readonly onGrouping: (grouping: Grouping) => void;
  /** Sum over all groups, for the shares; undefined until it is known. */
  readonly total: number | undefined;
}

/** The largest groups by a chosen grouping. */
export function TopPanel({ config, grouping, onGrouping, total }: TopPanelProps): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const picker = (
    <GroupPicker
      config={config}
      label={t('top.group')}
      variant="plainText"
      text={groupingName(grouping, config, t)}
      value={grouping}
      onChange={onGrouping}
    />
  );
  return (
    <BarsPanel
      config={config}
      title={
        <span className="top-title">
          {t('top.title')}
          {picker}
        </span>
      }
      type={view.metric}
      fn="sum"
      grouping={grouping}
      total={total}
      format={amountFormat(view.metric)}
      empty={t('top.nothing')}
    />
  );
}
