import SyncIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import { useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { formatSpan } from '../format/time.ts';
import { Choice } from '../parts/choice.tsx';
import { IconButton } from '../parts/icon-button.tsx';
import { useView } from '../state/view.ts';
import { effectiveRefresh, REFRESH_SECONDS, type Refresh } from '../state/view-state.ts';

export function RefreshPicker(): ReactNode {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [view, setView] = useView();
  const fixed = view.range.kind === 'between';
  const options: readonly { readonly value: Refresh; readonly label: string }[] = [
    { value: 'live', label: t('refresh.live') },
    { value: 'off', label: t('refresh.off') },
    ...REFRESH_SECONDS.map((seconds) => ({
      value: seconds,
      label: t('refresh.every', { period: formatSpan(seconds) }),
    })),
  ];
  return (
    <span className="joined" title={fixed ? t('refresh.fixed') : undefined}>
      <Choice
        label={t('refresh.label')}
        value={effectiveRefresh(view)}
        options={options}
        isDisabled={fixed}
        alignEnd
        onChange={(refresh) => setView({ refresh })}
      />
      <IconButton label={t('refresh.now')} onClick={() => void client.invalidateQueries()}>
        <SyncIcon />
      </IconButton>
    </span>
  );
}
