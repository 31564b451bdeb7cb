import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig } from '../../api.ts';
import { availableColumns } from '../flows/columns.ts';
import { Choice } from '../parts/choice.tsx';
import type { Grouping } from '../state/view-state.ts';
import { COMMON_GROUPINGS, fieldLabel, groupingName } from './group-names.ts';

interface GroupPickerProps {
  readonly config: FrontendConfig;
  readonly label: string;
  readonly value: Grouping;
  readonly variant?: 'default' | 'plainText';
  readonly text?: ReactNode;
  readonly onChange: (grouping: Grouping) => void;
}

/** Any field can be grouped by; the most common combinations come first. */
export function GroupPicker(props: GroupPickerProps): ReactNode {
  const { t } = useTranslation();
  const { config } = props;
  const common = COMMON_GROUPINGS.map((grouping) => ({
    value: grouping.join(','),
    label: capitalize(groupingName(grouping, config, t)),
    group: t('group.common'),
  }));
  const taken = new Set(common.map((option) => option.value));
  const fields = availableColumns(config)
    .filter((column) => column.field !== undefined && !taken.has(column.field))
    .map((column) => ({
      value: column.field!,
      label: fieldLabel(column.field!, config),
      group: t('group.fields'),
    }));
  return (
    <Choice
      label={props.label}
      variant={props.variant ?? 'default'}
      value={props.value.join(',')}
      text={props.text ?? capitalize(groupingName(props.value, config, t))}
      options={[...common, ...fields]}
      search={t('group.search')}
      onChange={(value) => props.onChange(value.split(','))}
    />
  );
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
