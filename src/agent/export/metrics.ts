import type { Metrics } from '../../telemetry/metrics.ts';
import { sharedMetrics } from '../metrics.ts';
import type { FlowAmount } from './exporter.ts';

/** Why flows that an exporter took did not arrive; a label of metrics. */
const LOSS_REASONS = [
  /** The collector refused the message, and would again. */
  'refused',
  /** No attempt succeeded within the message's deadline. */
  'expired',
  /** An attempt had no answer in time. The message may have arrived, so it is not sent again. */
  'timeout',
  /** The connection broke, or said nothing, when the message had left: it may have arrived. */
  'unanswered',
  /** Its part of the spool was full, while another part was not. */
  'full',
  /** The program ended first. */
  'closing',
] as const;

export type LossReason = (typeof LOSS_REASONS)[number];

export type ExportMetrics = ReturnType<typeof declareExportMetrics>;

/** Of one exporter, `grpc`, `kafka` …; names and labels are the original's where it has them. */
export function declareExportMetrics(metrics: Metrics, exporter: string) {
  const batches = metrics.counter<'exporter'>('exported_batch_total', 'Messages delivered', [
    'exporter',
  ]);
  const { evictions, evictedFlows, droppedFlows, errors } = sharedMetrics(metrics);
  const retries = metrics.counter<'exporter'>(
    'exporter_retries_total',
    'Attempts to deliver a message again',
    ['exporter'],
  );
  const amounts = amountMetrics(metrics);
  const spoolMessages = metrics.gauge<'exporter'>(
    'exporter_spool_messages',
    'Messages that wait to be delivered',
    ['exporter'],
  );
  const spoolBytes = metrics.gauge<'exporter'>(
    'exporter_spool_bytes',
    'Encoded bytes that wait to be delivered',
    ['exporter'],
  );
  // From the start, or the first loss would be none to `rate()`.
  for (const reason of LOSS_REASONS) {
    droppedFlows.inc({ source: exporter, reason }, 0);
    amounts.lostFlows.inc({ exporter, reason }, 0);
    amounts.lostPackets.inc({ exporter, reason }, 0);
    amounts.lostBytes.inc({ exporter, reason }, 0);
  }
  for (const error of ['CannotWriteMessage', 'Timeout']) {
    errors.inc({ component: exporter, error, severity: 'high' }, 0);
  }
  for (const family of [
    batches,
    retries,
    amounts.sentFlows,
    amounts.sentPackets,
    amounts.sentBytes,
  ])
    family.inc({ exporter }, 0);
  return {
    spool(messages: number, bytes: number): void {
      spoolMessages.set({ exporter }, messages);
      spoolBytes.set({ exporter }, bytes);
    },
    sent(amount: FlowAmount): void {
      batches.inc({ exporter });
      evictions.inc({ source: exporter, reason: '' });
      evictedFlows.inc({ source: exporter, reason: '' }, amount.flows);
      amounts.sentFlows.inc({ exporter }, amount.flows);
      amounts.sentPackets.inc({ exporter }, amount.packets);
      amounts.sentBytes.inc({ exporter }, amount.bytes);
    },
    lost(amount: FlowAmount, reason: LossReason): void {
      droppedFlows.inc({ source: exporter, reason }, amount.flows);
      amounts.lostFlows.inc({ exporter, reason }, amount.flows);
      amounts.lostPackets.inc({ exporter, reason }, amount.packets);
      amounts.lostBytes.inc({ exporter, reason }, amount.bytes);
    },
    retry(): void {
      retries.inc({ exporter });
    },
    error(error: string, severity: 'low' | 'medium' | 'high'): void {
      errors.inc({ component: exporter, error, severity });
    },
  } as const;
}

function amountMetrics(metrics: Metrics) {
  const sent = (unit: string) =>
    metrics.counter<'exporter'>(`exporter_sent_${unit}_total`, `${NOUNS[unit]} delivered`, [
      'exporter',
    ]);
  const lost = (unit: string) =>
    metrics.counter<'exporter' | 'reason'>(
      `exporter_lost_${unit}_total`,
      `${NOUNS[unit]} that an exporter took and did not deliver`,
      ['exporter', 'reason'],
    );
  return {
    sentFlows: sent('flows'),
    sentPackets: sent('packets'),
    sentBytes: sent('bytes'),
    lostFlows: lost('flows'),
    lostPackets: lost('packets'),
    lostBytes: lost('bytes'),
  };
}

const NOUNS: Readonly<Record<string, string>> = {
  flows: 'Flows',
  packets: 'Packets of flows',
  bytes: 'Bytes of the packets of flows',
};
