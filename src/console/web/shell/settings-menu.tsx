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
import { type ReactNode, type Ref, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { type Preferences, usePreferenceStore, usePreferences } from '../state/preferences.ts';

const THEMES = ['system', 'light', 'dark'] as const;
const UNITS = ['bits', 'bytes'] as const;

/** Preferences of the person: they stay in this browser and out of the link. */
export function SettingsMenu(): ReactNode {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const store = usePreferenceStore();
  const chosen = usePreferences();
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
  const options: readonly { readonly change: Partial<Preferences>; readonly label: string }[] = [
    ...THEMES.map((theme) => ({ change: { theme }, label: t(`theme.${theme}`) })),
    ...UNITS.map((rateUnit) => ({ change: { rateUnit }, label: t(`units.${rateUnit}`) })),
  ];
  const render = (option: (typeof options)[number], index: number): ReactNode => (
    <SelectOption
      key={option.label}
      value={index}
      isSelected={
        option.change.theme === chosen.theme || option.change.rateUnit === chosen.rateUnit
      }
    >
      {option.label}
    </SelectOption>
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
        const option = options[Number(value)];
        if (option !== undefined) store.set(option.change);
        setOpen(false);
      }}
    >
      <SelectGroup label={t('theme.label')}>
        <SelectList aria-label={t('theme.label')}>
          {options.slice(0, THEMES.length).map(render)}
        </SelectList>
      </SelectGroup>
      <Divider />
      <SelectGroup label={t('units.label')}>
        <SelectList aria-label={t('units.label')}>
          {options.slice(THEMES.length).map((option, i) => render(option, i + THEMES.length))}
        </SelectList>
      </SelectGroup>
    </Select>
  );
}
