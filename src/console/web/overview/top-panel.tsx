import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig } from '../../api.ts';
import { rangeSeconds, useMetrics } from '../data/queries.ts';
import { formatBytes, formatCount } from '../format/numbers.ts';
import { useView } from '../state/view.ts';
import type { Grouping } from '../state/view-state.ts';
import { Bars } from './bars.tsx';
import { groupingName } from './group-names.ts';
import { GroupPicker } from './group-picker.tsx';
import { Panel, PanelBody } from './panel.tsx';

interface TopPanelProps {
  readonly config: FrontendConfig;
  readonly grouping: Grouping;
  readonly onGrouping: (grouping: Grouping) => void;
  /** Of everything, for the shares; undefined until it is known. */
  readonly total: number | undefined;
}

/** The largest groups by what a person chose. */
export function TopPanel({ config, grouping, onGrouping, total }: TopPanelProps): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const query = useMetrics(
    view,
    {
      type: view.metric,
      fn: 'sum',
      grouping,
      limit: view.top,
      stepS: rangeSeconds(view.range),
    },
    config,
  );
  return (
    <Panel
      title={
        <span className="top-title">
          {t('top.title')}
          <GroupPicker
            config={config}
            label={t('top.group')}
            variant="plainText"
            text={groupingName(grouping, config, t)}
            value={grouping}
            onChange={onGrouping}
          />
        </span>
      }
    >
      <PanelBody query={query} height="11rem">
        {(data) => (
          <Bars
            config={config}
            grouping={grouping}
            data={data}
            total={total}
            format={view.metric === 'Bytes' ? formatBytes : formatCount}
            empty={t('top.nothing')}
          />
        )}
      </PanelBody>
    </Panel>
  );
}
