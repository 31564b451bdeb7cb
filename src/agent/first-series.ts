import type { Counter } from 'prom-client';
import type { AttachMode, Direction } from './loader/hook.ts';

export type Severity = 'low' | 'medium' | 'high';

type ErrorLabels = Record<'component' | 'error' | 'severity', string>;

/** Severity as in `netobserv-ebpf-agent`, which only considers interfaces that come and go. */
export function attachErrorLabels(
  what: 'Attach' | 'Detach',
  direction: Direction,
  mode: AttachMode,
): ErrorLabels {
  const side = direction === 'ingress' ? 'Ingress' : 'Egress';
  const error = `${what}${side}:Cant${what}${mode.toUpperCase()}`;
  return { component: 'InterfaceEvents', error, severity: 'low' };
}

const DROPPED: readonly (readonly [source: string, reason: string])[] = [
  ['flow-fetcher', 'CannotCreateFlowsHashMap'],
  ['flow-fetcher', 'CannotUpdateFlowsHashMap'],
  // Only `netobserv-ebpf-agent` has a separate map for DNS, which can be full.
  ['flow-fetcher', 'CannotUpdateDNSHashMap'],
  ['limiter', 'full'],
];

const ERRORS: readonly (readonly [component: string, error: string, severity: Severity])[] = [
  ['flow-fetcher', 'MaxObservedInterfacesReached', 'low'],
  ['flow-fetcher', 'CannotDrain', 'high'],
  ['network-events', 'EventsOverflow', 'medium'],
  ['network-events', 'CookieTooBig', 'medium'],
  ['network-events', 'CannotDecode', 'medium'],
  ['InterfaceEvents', 'Attach:CantSetNetNS-A', 'low'],
];

const NETWORK_EVENTS = [
  'NetworkEventsGoodEvent',
  'NetworkEventsErrors',
  'NetworkEventsErrorsGroupIDMismatch',
  'NetworkEventsErrorsFlowMapUpdate',
  'NetworkEventsErrorsCookie',
  'NetworkEventsErrorsOverflow',
];

const LOSSES: readonly (readonly [feature: string, reason: string])[] = [
  ['dns', 'query_unknown'],
  ['dns', 'answers_full'],
  ['dns', 'names_full'],
  ['tls', 'hellos_full'],
];

export interface CountedFamilies {
  readonly droppedFlows: Counter<'source' | 'reason'>;
  readonly filteredFlows: Counter<'source' | 'reason'>;
  readonly networkEvents: Counter<'source' | 'reason'>;
  readonly errors: Counter<'component' | 'error' | 'severity'>;
  readonly messages: Counter<'kind' | 'outcome'>;
  readonly losses: Counter<'feature' | 'reason'>;
  readonly netlinkLosses: Counter<'reason'>;
}

/**
 * Creates every series whose labels are known in advance: `rate()` does not see the step from no
 * series to its first value, so that alerts would miss the first burst of drops. The fate counter
 * creates those of the reasons for unrecorded packets.
 */
export function startAtZero(families: CountedFamilies): void {
  const { droppedFlows, filteredFlows, networkEvents, errors } = families;
  for (const [source, reason] of DROPPED) droppedFlows.inc({ source, reason }, 0);
  for (const reason of ['FilterReject', 'FilterAccept', 'FilterNoMatch']) {
    filteredFlows.inc({ source: 'flow-filtering', reason }, 0);
  }
  for (const reason of NETWORK_EVENTS) networkEvents.inc({ source: 'network-events', reason }, 0);
  for (const [component, error, severity] of ERRORS) errors.inc({ component, error, severity }, 0);
  for (const what of ['Attach', 'Detach'] as const) {
    for (const direction of ['ingress', 'egress'] as const) {
      for (const mode of ['tcx', 'tc'] as const) {
        errors.inc(attachErrorLabels(what, direction, mode), 0);
      }
    }
  }
  for (const kind of ['dns', 'tls', 'unknown']) {
    for (const outcome of ['whole', 'cut', 'malformed'])
      families.messages.inc({ kind, outcome }, 0);
  }
  for (const [feature, reason] of LOSSES) families.losses.inc({ feature, reason }, 0);
  for (const reason of ['overrun', 'malformed']) families.netlinkLosses.inc({ reason }, 0);
}
