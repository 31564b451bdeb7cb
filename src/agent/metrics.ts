import { type Clock, systemClock } from '../base/clock.ts';
import type { Outcome } from '../codec/outcome.ts';
import { ExpiringSeries } from '../telemetry/expiring-series.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { attachErrorLabels, type Severity, startAtZero } from './first-series.ts';
import type { AttachMode, Direction, HookTarget } from './loader/hook.ts';

/** Buckets of `netobserv-ebpf-agent`. */
const DRAIN_BUCKETS_S = [0.001, 0.01, 0.1, 1, 10, 100, 1000, 10_000];

/** Labels of `trace!` belong to single interfaces, and new interfaces may always come. */
const INTERFACE_EVENT_LIMITS = { idleMs: 5 * 60_000, seriesMax: 4096 };

type MetricsLevel = 'info' | 'debug' | 'trace!';

export type AgentMetrics = ReturnType<typeof createAgentMetrics>;

/** Counters that the agent shares with the exporter of its flows. */
export function sharedMetrics(metrics: Metrics) {
  const labels = ['source', 'reason'] as const;
  return {
    evictions: metrics.counter<'source' | 'reason'>(
      'evictions_total',
      'Drains of the flow maps, and messages delivered by exporters',
      labels,
    ),
    evictedFlows: metrics.counter<'source' | 'reason'>(
      'evicted_flows_total',
      'Flows drained from the flow maps, and flows delivered by exporters',
      labels,
    ),
    droppedFlows: metrics.counter<'source' | 'reason'>(
      'dropped_flows_total',
      'Flows not taken by the pipeline or lost by an exporter, and packets for which the map had no room',
      labels,
    ),
    errors: metrics.counter<'component' | 'error' | 'severity'>(
      'errors_total',
      'Errors by component, stable name and severity',
      ['component', 'error', 'severity'],
    ),
  };
}

/** Names, labels and values are those of `netobserv-ebpf-agent` where it has them. */
export function createAgentMetrics(
  metrics: Metrics,
  level: MetricsLevel,
  clock: Clock = systemClock,
) {
  const { errors, ...shared } = sharedMetrics(metrics);
  const families = {
    ...shared,
    ...drainMetrics(metrics),
    ...accountingMetrics(metrics),
    ...vitalMetrics(metrics),
    ...interfaceMetrics(metrics, level, clock),
    ...featureMetrics(metrics),
    ...probeMetrics(metrics),
  };
  startAtZero({ ...families, errors });
  return {
    ...families,
    bufferSize: metrics.gauge<'name'>('buffer_size', 'Entries in buffers', ['name']),
    samplingRate: metrics.gauge('sampling_rate', 'One packet in this many is looked at; 0: all'),

    error(component: string, error: string, severity: Severity, count = 1): void {
      errors.inc({ component, error, severity }, count);
    },
    attachError(what: 'Attach' | 'Detach', direction: Direction, mode: AttachMode): void {
      errors.inc(attachErrorLabels(what, direction, mode));
    },
  } as const;
}

function drainMetrics(metrics: Metrics) {
  return {
    evictedPackets: metrics.counter<'source' | 'reason'>(
      'evicted_packets_total',
      'Packets read from the ring buffer of a capture',
      ['source', 'reason'],
    ),
    drainSeconds: metrics.histogram(
      'lookup_and_delete_map_duration_seconds',
      'Duration of a drain, decoding included',
      DRAIN_BUCKETS_S,
    ),
  };
}

function accountingMetrics(metrics: Metrics) {
  return {
    recordedPackets: metrics.counter('recorded_packets_total', 'Packets in flows handed on'),
    recordedBytes: metrics.counter('recorded_bytes_total', 'Bytes in flows handed on'),
    unrecordedPackets: metrics.counter<'reason'>(
      'unrecorded_packets_total',
      'Packets seen and not in any flow handed on',
      ['reason'],
    ),
    unrecordedBytes: metrics.counter<'reason'>(
      'unrecorded_bytes_total',
      'Bytes seen and not in any flow handed on',
      ['reason'],
    ),
    filteredFlows: metrics.counter<'source' | 'reason'>(
      'filtered_flows_total',
      'Packets by what the filter rules say; FilterNoMatch are recorded where no rule accepts',
      ['source', 'reason'],
    ),
    seenPackets: metrics.counter(
      'seen_packets_total',
      'Packets seen by hooks: recorded and unrecorded ones',
    ),
    seenBytes: metrics.counter('seen_bytes_total', 'Bytes seen by hooks'),
    incompletePackets: metrics.counter<'reason'>(
      'incomplete_packets_total',
      'Packets recorded, of which something that a feature is for was lost',
      ['reason'],
    ),
    probeSkips: metrics.counter<'reason'>(
      'probe_skips_total',
      'Events of the kernel that make no flow: where no hook is, of other hosts, or unexplained',
      ['reason'],
    ),
    busyEntries: metrics.counter(
      'busy_entries_total',
      'Entries beyond the share of their interface, which others may push out',
    ),
    interfacesMissed: metrics.counter(
      'observed_interfaces_missed_total',
      'Packets on an interface for which their flow had no slot left; they are recorded',
    ),
    connectionsForgotten: metrics.counter(
      'connections_forgotten_total',
      'Conversations that made room for others; what comes of them may lack its Initiator',
    ),
  };
}

function featureMetrics(metrics: Metrics) {
  const messages = metrics.counter<'kind' | 'outcome'>(
    'messages_total',
    'Messages of packets that were read: whole, cut off, or malformed',
    ['kind', 'outcome'],
  );
  const losses = metrics.counter<'feature' | 'reason'>(
    'feature_losses_total',
    'Observations that features left out or forgot, for lack of room or of a flow; the packets are recorded',
    ['feature', 'reason'],
  );
  return {
    containerNames: metrics.counter<'outcome'>(
      'container_names_total',
      'Containers whose names were looked up in files of their runtime: found or unknown',
      ['outcome'],
    ),
    messages,
    losses,
    message(kind: 'dns' | 'tls' | 'unknown', outcome: Outcome): void {
      messages.inc({ kind, outcome });
    },
    lost(feature: string, reason: string, count = 1): void {
      losses.inc({ feature, reason }, count);
    },
  };
}

function vitalMetrics(metrics: Metrics) {
  return {
    mapFill: metrics.gauge<'map'>('map_fill_ratio', 'Share of a map in use at its last drain', [
      'map',
    ]),
    mapFillMax: metrics.gauge<'map'>('map_fill_ratio_max', 'The largest map_fill_ratio so far', [
      'map',
    ]),
    mapBytes: metrics.gauge<'map'>('map_memory_bytes', 'Kernel memory of a map', ['map']),
    probeMisses: metrics.counter<'program'>(
      'probe_misses_total',
      'Times that the kernel left a program out, because it was running already',
      ['program'],
    ),
  };
}

function probeMetrics(metrics: Metrics) {
  return {
    networkEvents: metrics.counter<'source' | 'reason'>(
      'network_events_total',
      'Samples of network policies by what became of them',
      ['source', 'reason'],
    ),
    opensslEvents: metrics.counter<'openssl_type'>(
      'openssl_data_events_total',
      'Calls that moved plain text through OpenSSL',
      ['openssl_type'],
    ),
    opensslUnlinked: metrics.counter<'openssl_type'>(
      'openssl_unlinked_bytes_total',
      'Plain text of calls that used no socket: it is in no flow',
      ['openssl_type'],
    ),
  };
}

function interfaceMetrics(metrics: Metrics, level: MetricsLevel, clock: Clock) {
  const all = level === 'trace!';
  const series = new ExpiringSeries(INTERFACE_EVENT_LIMITS, clock, (labels) =>
    events.remove(labels),
  );
  const events = metrics.counter<'type' | 'ifname' | 'ifindex' | 'netns' | 'mac' | 'retries'>(
    'interface_events_total',
    'Events of interfaces; METRICS_LEVEL sets how precise the labels are',
    ['type', 'ifname', 'ifindex', 'netns', 'mac', 'retries'],
    () => series.expire(),
  );
  return {
    interfaceBufferSize: metrics.gauge<'name'>('iface_buffer_size', 'Interfaces in buffers', [
      'name',
    ]),
    hookTroubles: metrics.counter<'reason'>(
      'hook_troubles_total',
      'Hooks found gone, or behind another program although they should be first: put on again',
      ['reason'],
    ),
    strangers: metrics.gauge(
      'foreign_programs',
      'Programs and filters of others at the hooks: while there are any, packets are not marked',
    ),
    marks: metrics.gauge(
      'packet_marks',
      '1: packets are marked, and known again by that; 0: others are at the hooks',
    ),
    netlinkLosses: metrics.counter<'reason'>(
      'netlink_losses_total',
      'Times that interface messages were lost and everything was read again',
      ['reason'],
    ),
    netlinkRefused: metrics.counter(
      'netlink_refused_messages_total',
      'Messages on interface sockets that the kernel did not send; they were not read',
    ),
    namespacesLeftOut: metrics.gauge(
      'namespaces_left_out',
      'Network namespaces that are not watched: their user has too many, or they have too many names',
    ),
    interfacesLeftOut: metrics.gauge(
      'interfaces_left_out',
      'Interfaces without hooks: the user of their network namespace has too many',
    ),
    interfaceEvent(type: string, target: HookTarget, retries: number): void {
      const labels = {
        type,
        ifname: all ? target.name : '',
        ifindex: all ? String(target.index) : '',
        netns: all ? target.namespace : '',
        mac: all ? target.mac : '',
        retries: level === 'info' ? '' : String(retries),
      };
      events.inc(labels);
      if (all) series.touch(labels);
    },
  };
}
