import { Divider } from '@patternfly/react-core/dist/dynamic/components/Divider';
import { MenuSearch, MenuSearchInput } from '@patternfly/react-core/dist/dynamic/components/Menu';
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
import { TextInput } from '@patternfly/react-core/dist/dynamic/components/TextInput';
import { type ReactNode, type Ref, useState } from 'react';

export interface ChoiceOption<Value> {
  readonly value: Value;
  readonly label: string;
  readonly group?: string;
}

interface ChoiceProps<Value> {
  /** The subject of the choice, for people who can't see it from the context. */
  readonly label: string;
  readonly value: Value;
  readonly options: readonly ChoiceOption<Value>[];
  readonly onChange: (value: Value) => void;
  /** Placeholder of a search field above the options. */
  readonly search?: string;
  readonly icon?: ReactNode;
  /** Text of the toggle if it isn't the chosen option's. */
  readonly text?: ReactNode;
  readonly variant?: 'default' | 'plain' | 'plainText';
  readonly isDisabled?: boolean;
  readonly alignEnd?: boolean;
}

/** A button that opens a list of options to choose from. */
export function Choice<Value extends string | number>(props: ChoiceProps<Value>): ReactNode {
  const [open, setOpen] = useState(false);
  const [search, setSearch] = useState('');
  const chosen = props.options.find((option) => option.value === props.value);
  const wanted = search.trim().toLowerCase();
  const shown = props.options.filter((option) => option.label.toLowerCase().includes(wanted));
  const text = props.text ?? chosen?.label ?? String(props.value);
  // Screen readers read the visible text, even if it is not one of the options.
  const heard = typeof text === 'string' ? text : (chosen?.label ?? props.value);

  const toggle = (ref: Ref<MenuToggleElement>): ReactNode => (
    <MenuToggle
      ref={ref}
      size="sm"
      variant={props.variant ?? 'default'}
      isExpanded={open}
      isDisabled={props.isDisabled ?? false}
      icon={props.icon}
      aria-label={`${props.label}: ${heard}`}
      onClick={() => setOpen(!open)}
    >
      {text}
    </MenuToggle>
  );

  return (
    <Select
      isOpen={open}
      isScrollable
      maxMenuHeight="22rem"
      selected={props.value}
      aria-label={props.label}
      toggle={toggle}
      popperProps={{ position: props.alignEnd ? 'end' : 'start', enableFlip: true }}
      onOpenChange={setOpen}
      onSelect={(_event, value) => {
        setOpen(false);
        setSearch('');
        const option = props.options.find((candidate) => candidate.value === value);
        if (option !== undefined && option.value !== props.value) props.onChange(option.value);
      }}
    >
      {props.search === undefined ? undefined : (
        <>
          <MenuSearch>
            <MenuSearchInput>
              <TextInput
                aria-label={props.search}
                placeholder={props.search}
                value={search}
                onChange={(_event, value) => setSearch(value)}
              />
            </MenuSearchInput>
          </MenuSearch>
          <Divider />
        </>
      )}
      {grouped(shown).map(([group, options]) => (
        <OptionGroup key={group} group={group} options={options} />
      ))}
    </Select>
  );
}

function OptionGroup<Value>(props: {
  readonly group: string;
  readonly options: readonly ChoiceOption<Value>[];
}): ReactNode {
  const list = (
    <SelectList aria-label={props.group}>
      {props.options.map((option) => (
        <SelectOption key={String(option.value)} value={option.value}>
          {option.label}
        </SelectOption>
      ))}
    </SelectList>
  );
  return props.group === '' ? list : <SelectGroup label={props.group}>{list}</SelectGroup>;
}

function grouped<Value>(
  options: readonly ChoiceOption<Value>[],
): readonly (readonly [string, readonly ChoiceOption<Value>[]])[] {
  return [...Map.groupBy(options, (option) => option.group ?? '')];
}
