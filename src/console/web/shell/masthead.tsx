import {
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  Masthead as PfMasthead,
} from '@patternfly/react-core/dist/dynamic/components/Masthead';
import type { MouseEvent, ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { linkTo, useView } from '../state/view.ts';
import { effectiveRefresh, TABS } from '../state/view-state.ts';
import { Health } from './health.tsx';
import { LiveIndicator } from './live-indicator.tsx';
import { Logo } from './logo.tsx';
import { RangePicker } from './range-picker.tsx';
import { RefreshPicker } from './refresh-picker.tsx';
import { SettingsMenu } from './settings-menu.tsx';

export function Masthead(): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  return (
    <PfMasthead className="masthead" display={{ default: 'inline' }}>
      <MastheadMain>
        <MastheadBrand>
          <MastheadLogo component="div" className="brand">
            <Logo />
            <span className="brand-name">{t('product')}</span>
          </MastheadLogo>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent className="masthead-content">
        <Tabs />
        <div className="masthead-tools">
          <LiveIndicator refresh={effectiveRefresh(view)} />
          <RangePicker />
          <RefreshPicker />
          <Health />
          <SettingsMenu />
        </div>
      </MastheadContent>
    </PfMasthead>
  );
}

/** Tabs are links with their own addresses, so they open in new windows like any link. */
function Tabs(): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  return (
    <nav className="tabs" aria-label={t('tabs.label')}>
      {TABS.map((tab) => (
        <a
          key={tab}
          className="tab"
          href={linkTo(view, { tab })}
          aria-current={view.tab === tab ? 'page' : undefined}
          onClick={(event) => {
            if (opensElsewhere(event)) return;
            event.preventDefault();
            setView({ tab });
          }}
        >
          {t(`tabs.${tab}`)}
        </a>
      ))}
    </nav>
  );
}

function opensElsewhere(event: MouseEvent): boolean {
  return event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0;
}
