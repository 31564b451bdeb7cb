import { Divider } from '@patternfly/react-core/dist/dynamic/components/Divider';
import {
  MenuToggle,
  type MenuToggleElement,
} from '@patternfly/react-core/dist/dynamic/components/MenuToggle';
import {
  Select,
  SelectGroup,
  SelectList,
  SelectOption,
} from '@patternfly/react-core/dist/dynamic/components/Select';
import AdjustIcon from '@patternfly/react-icons/dist/esm/icons/adjust-icon';
import { Fragment, type ReactNode, type Ref, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFrontendConfig } from '../data/queries.ts';
import { useLogout } from '../data/session.ts';
import { usePreferenceStore, usePreferences } from '../state/preferences.ts';
import { useZone, zoneName } from '../state/times.ts';
import { useView } from '../state/view.ts';
import { ZONES } from '../state/view-state.ts';

const THEMES = ['system', 'light', 'dark'] as const;
const UNITS = ['bits', 'bytes'] as const;

interface Setting {
  readonly label: string;
  readonly isChosen: boolean;
  readonly choose: () => void;
}

/** The person's preferences, which stay in this browser; the time zone is also in the link. */
export function SettingsMenu(): ReactNode {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const groups = useSettings();
  const toggle = (ref: Ref<MenuToggleElement>): ReactNode => (
    <MenuToggle
      ref={ref}
      size="sm"
      variant="plain"
      isExpanded={open}
      aria-label={t('settings.label')}
      title={t('settings.label')}
      onClick={() => setOpen(!open)}
      icon={<AdjustIcon />}
    />
  );
  return (
    <Select
      isOpen={open}
      role="listbox"
      aria-label={t('settings.label')}
      toggle={toggle}
      popperProps={{ position: 'end' }}
      onOpenChange={setOpen}
      onSelect={(_event, value) => {
        groups
          .flatMap(({ settings }) => settings)
          .find(({ label }) => label === value)
          ?.choose();
        setOpen(false);
      }}
    >
      {groups.map(({ label, settings }, index) => (
        <Fragment key={label}>
          {index === 0 ? undefined : <Divider />}
          <SelectGroup label={label}>
            <SelectList aria-label={label}>
              {settings.map((setting) => (
                <SelectOption
                  key={setting.label}
                  value={setting.label}
                  isSelected={setting.isChosen}
                >
                  {setting.label}
                </SelectOption>
              ))}
            </SelectList>
          </SelectGroup>
        </Fragment>
      ))}
    </Select>
  );
}

function useSettings(): readonly {
  readonly label: string;
  readonly settings: readonly Setting[];
}[] {
  const { t } = useTranslation();
  const [, setView] = useView();
  const store = usePreferenceStore();
  const chosen = usePreferences();
  const zone = useZone();
  const config = useFrontendConfig().data;
  const logout = useLogout();
  const session = {
    label: t('session.label'),
    settings: [{ label: t('session.end'), isChosen: false, choose: logout }],
  };
  return [
    {
      label: t('theme.label'),
      settings: THEMES.map((theme) => ({
        label: t(`theme.${theme}`),
        isChosen: theme === chosen.theme,
        choose: () => store.set({ theme }),
      })),
    },
    {
      label: t('zone.label'),
      settings: ZONES.map((each) => ({
        label: t(`zone.${each}`, { name: zoneName(each, config?.timeZone) }),
        isChosen: each === zone,
        choose: () => {
          store.set({ zone: each });
          setView({ zone: each });
        },
      })),
    },
    {
      label: t('units.label'),
      settings: UNITS.map((rateUnit) => ({
        label: t(`units.${rateUnit}`),
        isChosen: rateUnit === chosen.rateUnit,
        choose: () => store.set({ rateUnit }),
      })),
    },
    ...(config?.login === true ? [session] : []),
  ];
}
