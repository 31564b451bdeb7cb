import type { Metrics } from '../telemetry/metrics.ts';
import { type FlowAmount, LOSS_REASONS, type LossReason } from './message.ts';

/** A delivery reports here what becomes of its messages, once for each message. */
export interface DeliveryMetrics {
  /** Messages that wait or are being sent, and their bytes. */
  spool(messages: number, bytes: number): void;
  sent(amount: FlowAmount): void;
  lost(amount: FlowAmount, reason: LossReason): void;
  retry(): void;
  /** An attempt failed. */
  error(error: 'CannotWriteMessage' | 'Timeout'): void;
}

const AMOUNTS = {
  flows: 'Flows',
  packets: 'Packets of flows',
  bytes: 'Bytes of the packets of flows',
} as const;

type Amount = keyof typeof AMOUNTS;

/** Metrics of one delivery; `exporter` is the value of their label, such as `grpc`. */
export function createDeliveryMetrics(metrics: Metrics, exporter: string): DeliveryMetrics {
  const byExporter = ['exporter'] as const;
  const batches = metrics.counter<'exporter'>(
    'exported_batch_total',
    'Messages delivered',
    byExporter,
  );
  const retries = metrics.counter<'exporter'>(
    'exporter_retries_total',
    'Attempts to deliver a message again',
    byExporter,
  );
  const spoolMessages = metrics.gauge<'exporter'>(
    'exporter_spool_messages',
    'Messages that wait to be delivered',
    byExporter,
  );
  const spoolBytes = metrics.gauge<'exporter'>(
    'exporter_spool_bytes',
    'Encoded bytes that wait to be delivered',
    byExporter,
  );
  const amounts = (Object.keys(AMOUNTS) as Amount[]).map((amount) => ({
    amount,
    sent: metrics.counter<'exporter'>(
      `exporter_sent_${amount}_total`,
      `${AMOUNTS[amount]} delivered`,
      byExporter,
    ),
    lost: metrics.counter<'exporter' | 'reason'>(
      `exporter_lost_${amount}_total`,
      `${AMOUNTS[amount]} that an exporter took and did not deliver`,
      ['exporter', 'reason'],
    ),
  }));
  // `rate()` misses the first loss of a series that begins with it.
  for (const family of [batches, retries, ...amounts.map(({ sent }) => sent)]) {
    family.inc({ exporter }, 0);
  }
  for (const reason of LOSS_REASONS) {
    for (const { lost } of amounts) lost.inc({ exporter, reason }, 0);
  }
  return {
    spool(messages, bytes) {
      spoolMessages.set({ exporter }, messages);
      spoolBytes.set({ exporter }, bytes);
    },
    sent(delivered) {
      batches.inc({ exporter });
      for (const { amount, sent } of amounts) sent.inc({ exporter }, delivered[amount]);
    },
    lost(given, reason) {
      for (const { amount, lost } of amounts) lost.inc({ exporter, reason }, given[amount]);
    },
    retry: () => retries.inc({ exporter }),
    error: () => undefined,
  };
}
