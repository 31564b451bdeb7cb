import CalendarIcon from '@patternfly/react-icons/dist/esm/icons/outlined-clock-icon';
import { lazy, type ReactNode, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { formatSpan } from '../format/time.ts';
import type { Times } from '../format/times.ts';
import { Choice } from '../parts/choice.tsx';
import { useTimes, useZone } from '../state/times.ts';
import { useView } from '../state/view.ts';
import { LAST_SECONDS, type Range, type Zone } from '../state/view-state.ts';

const CustomRange = lazy(() => import('./custom-range.tsx'));

const CUSTOM = 'custom';

export function RangePicker(): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  const [asking, setAsking] = useState(false);
  const { range } = view;
  const times = useTimes();
  const zone = useZone();
  const seconds = range.kind === 'last' ? range.seconds : undefined;
  // A link may hold a length that is not in the list.
  const spans =
    seconds === undefined || LAST_SECONDS.includes(seconds)
      ? LAST_SECONDS
      : [seconds, ...LAST_SECONDS];
  const options = [
    ...spans.map((span) => ({
      value: String(span),
      label: t('range.last', { span: formatSpan(span) }),
    })),
    { value: CUSTOM, label: t('range.custom') },
  ];

  return (
    <>
      <Choice
        label={t('range.label')}
        icon={<CalendarIcon />}
        value={seconds === undefined ? '' : String(seconds)}
        text={seconds === undefined ? describe(range, times, zone) : undefined}
        options={options}
        alignEnd
        onChange={(value) => {
          if (value === CUSTOM) setAsking(true);
          else setView({ range: { kind: 'last', seconds: Number(value) } });
        }}
      />
      {asking ? (
        <Suspense>
          <CustomRange
            range={range}
            onClose={() => setAsking(false)}
            onApply={(applied) => {
              setAsking(false);
              setView({ range: applied });
            }}
          />
        </Suspense>
      ) : undefined}
    </>
  );
}

function describe(range: Range, times: Times, zone: Zone): string {
  if (range.kind === 'last') return formatSpan(range.seconds);
  const from = times.minute(range.startS * 1000);
  const to = times.minute(range.endS * 1000);
  const sameDay = from.slice(0, 10) === to.slice(0, 10);
  const text = `${from} – ${sameDay ? to.slice(11) : to}`;
  // People take a time without a zone as local.
  return zone === 'local' ? text : `${text} ${times.zone}`;
}
