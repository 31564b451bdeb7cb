import type { FieldSpec } from '../field.ts';

/** What the kernel says about a flow besides its packets. */
export const eventFields: readonly FieldSpec[] = [
  {
    name: 'TimeFlowRttNs',
    kind: 'f64',
    unit: 'nanoseconds',
    meaning: "TCP's smoothed round-trip time; the longest of the flow.",
    producer: 'agent',
    feature: 'flowRTT',
    omitZero: true,
    proto: { path: 'time_flow_rtt', numbers: [24] },
    ipfixEnterprise: { name: 'timeFlowRttNs', id: 7740 },
    cardinality: 'avoid',
    otel: 'tcp.rtt',
    column: {
      id: 'TimeFlowRttMs',
      name: 'Flow RTT',
      width: 5,
      default: true,
      renderer: 'duration',
      tooltip: "TCP's smoothed round-trip time.",
    },
    filter: {
      id: 'time_flow_rtt',
      name: 'Flow RTT',
      component: 'number',
      category: 'common',
      hint: 'Smoothed round-trip time, in nanoseconds.',
      placeholder: '1000000',
    },
  },
  {
    name: 'NetworkEvents',
    kind: 'any',
    meaning:
      'What network policies and the like did to the flow: objects of Feature, Type, Namespace, Name, Action and Direction, or Message.',
    producer: 'agent',
    feature: 'networkEvents',
    proto: { path: 'network_events_metadata.events', numbers: [27, 1] },
    cardinality: 'avoid',
    otel: 'network.events',
    column: {
      id: 'NetworkEvents',
      name: 'Network Events',
      width: 15,
      default: true,
      renderer: 'list',
      tooltip: 'What network policies and the like did to the flow.',
    },
    filter: {
      id: 'network_events',
      name: 'Network Events',
      component: 'text',
      category: 'common',
      hint: 'Text in a network event.',
      placeholder: 'AdminNetworkPolicy',
    },
  },
];
