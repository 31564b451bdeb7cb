import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Times } from '../format/times.ts';

/** Text of a time input, and which of two instants it means when clocks go back. */
export interface TypedTime {
  readonly text: string;
  readonly isSecond: boolean;
}

export function typedOf(epochMs: number, times: Times): TypedTime {
  const text = times.toInput(epochMs);
  // Inputs hold whole seconds.
  return { text, isSecond: (times.fromInput(text)[1] ?? Number.POSITIVE_INFINITY) <= epochMs };
}

export function instantOf({ text, isSecond }: TypedTime, times: Times): number | undefined {
  const instants = times.fromInput(text);
  return (isSecond ? instants[1] : undefined) ?? instants[0];
}

/** A complete time that the clocks skipped. */
export function isSkipped({ text }: TypedTime, times: Times): boolean {
  return text !== '' && times.fromInput(text).length === 0;
}

interface TimeInputProps {
  readonly label: string;
  readonly value: TypedTime;
  readonly times: Times;
  readonly onChange: (value: TypedTime) => void;
}

/** A date and a time; in an hour that clocks repeat, the user selects which one is meant. */
export function TimeInput({ label, value, times, onChange }: TimeInputProps): ReactNode {
  const { t } = useTranslation();
  const instants = times.fromInput(value.text);
  return (
    <div className="time-input">
      <label className="labelled">
        <span>{label}</span>
        <input
          className="text-input"
          type="datetime-local"
          step={1}
          value={value.text}
          onChange={(event) => onChange({ ...value, text: event.target.value })}
        />
      </label>
      {instants.length < 2 ? undefined : (
        <label className="labelled">
          <span>{t('range.which')}</span>
          <select
            className="text-input"
            value={value.isSecond ? 1 : 0}
            onChange={(event) => onChange({ ...value, isSecond: event.target.value === '1' })}
          >
            {instants.map((instant, index) => (
              <option key={instant} value={index}>
                {times.offset(instant)}
              </option>
            ))}
          </select>
        </label>
      )}
    </div>
  );
}
