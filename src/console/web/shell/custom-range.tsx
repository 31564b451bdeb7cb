import { Button } from '@patternfly/react-core/dist/dynamic/components/Button';
import {
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
} from '@patternfly/react-core/dist/dynamic/components/Modal';
import { type FormEvent, type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useTimes } from '../state/times.ts';
import type { Range } from '../state/view-state.ts';
import { checkRange } from './check-range.ts';
import { instantOf, isSkipped, TimeInput, typedOf } from './time-input.tsx';

interface CustomRangeProps {
  readonly range: Range;
  readonly onApply: (range: Range) => void;
  readonly onClose: () => void;
}

export default function CustomRange({ range, onApply, onClose }: CustomRangeProps): ReactNode {
  const { t } = useTranslation();
  const times = useTimes();
  const [initial] = useState(() => bounds(range, Date.now()));
  const [from, setFrom] = useState(() => typedOf(initial.startMs, times));
  const [to, setTo] = useState(() => typedOf(initial.endMs, times));
  const [tried, setTried] = useState(false);
  const isGap = isSkipped(from, times) || isSkipped(to, times);
  const checked = isGap
    ? 'skipped'
    : checkRange(instantOf(from, times), instantOf(to, times), Date.now());

  function submit(event: FormEvent): void {
    event.preventDefault();
    setTried(true);
    if (typeof checked !== 'string') onApply(checked);
  }

  return (
    <Modal isOpen variant="small" aria-labelledby="range-title" onClose={onClose}>
      <ModalHeader title={t('range.title')} labelId="range-title" />
      <ModalBody>
        <form id="range-form" className="range-form" onSubmit={submit} noValidate>
          <TimeInput label={t('range.from')} value={from} times={times} onChange={setFrom} />
          <TimeInput label={t('range.to')} value={to} times={times} onChange={setTo} />
          <p className="range-zone">{t('range.zone', { zone: times.zone })}</p>
          <p className="field-error" role="alert">
            {tried && typeof checked === 'string' ? t(`range.${checked}`) : ''}
          </p>
        </form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="range-form">
          {t('range.apply')}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t('range.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

function bounds(range: Range, nowMs: number): { readonly startMs: number; readonly endMs: number } {
  return range.kind === 'last'
    ? { startMs: nowMs - range.seconds * 1000, endMs: nowMs }
    : { startMs: range.startS * 1000, endMs: range.endS * 1000 };
}
