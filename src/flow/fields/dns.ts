import type { FieldSpec } from '../field.ts';

const shared = { producer: 'agent', feature: 'dnsTracking' } as const;
const GROUP = 'DNS';

/**
 * What DNS answers say, in flows that carry answers; what became of queries, in flows of queries;
 * and the names of addresses, in any flow.
 */
export const dnsFields: readonly FieldSpec[] = [
  {
    ...shared,
    name: 'DnsId',
    kind: 'u16',
    omitZero: true,
    meaning: 'Identifier of the last DNS answer.',
    proto: { path: 'dns_id', numbers: [21] },
    cardinality: 'avoid',
    otel: 'dns.id',
    column: {
      id: 'DNSId',
      name: 'DNS Id',
      group: GROUP,
      width: 5,
      renderer: 'number',
      tooltip: 'Identifier that the query and its answer share.',
    },
    filter: {
      id: 'dns_id',
      name: 'DNS Id',
      component: 'number',
      category: 'common',
      hint: 'Identifier of a DNS message.',
    },
  },
  {
    ...shared,
    name: 'DnsName',
    kind: 'str',
    meaning:
      'Name that was asked for: of the last answer or, without one, of a query that was lost.',
    proto: { path: 'dns_name', numbers: [32] },
    cardinality: 'careful',
    otel: 'dns.name',
    column: {
      id: 'DNSName',
      name: 'DNS Name',
      group: GROUP,
      width: 15,
      renderer: 'text',
      tooltip: 'Name that was asked for.',
    },
    filter: {
      id: 'dns_name',
      name: 'DNS Name',
      component: 'text',
      category: 'common',
      hint: 'Name that was asked for.',
      placeholder: 'www.example.com',
    },
  },
  {
    ...shared,
    name: 'DnsLatencyMs',
    kind: 'f64',
    unit: 'milliseconds',
    meaning: 'Time between a DNS query and its answer; the longest of the flow.',
    wholeInJson: true,
    proto: { path: 'dns_latency', numbers: [23] },
    cardinality: 'avoid',
    otel: 'dns.latency',
    column: {
      id: 'DNSLatency',
      name: 'DNS Latency',
      group: GROUP,
      width: 5,
      default: true,
      renderer: 'duration',
      tooltip: 'Time between the query and its answer.',
    },
    filter: {
      id: 'dns_latency',
      name: 'DNS Latency',
      component: 'number',
      category: 'common',
      hint: 'Time between query and answer, in milliseconds.',
      placeholder: '100',
    },
  },
  {
    ...shared,
    name: 'DnsFlags',
    kind: 'u16',
    unit: 'bitmask',
    meaning:
      'Flags word of the DNS header: bits of all answers, ORed; operation and response code of the last one.',
    proto: { path: 'dns_flags', numbers: [22], exact: 135 },
    cardinality: 'fine',
    otel: 'dns.flags',
  },
  {
    ...shared,
    name: 'DnsFlagsResponseCode',
    kind: 'str',
    meaning:
      'Name of the response code of the last answer, the upper bits that EDNS adds included; `DnsFlags` has the lower four.',
    proto: { path: 'dns_response_code', numbers: [136] },
    cardinality: 'fine',
    otel: 'dns.responsecode',
    column: {
      id: 'DNSResponseCode',
      name: 'DNS Response Code',
      group: GROUP,
      width: 5,
      default: true,
      renderer: 'text',
      tooltip: 'How the server answered.',
    },
    filter: {
      id: 'dns_flag_response_code',
      name: 'DNS Response Code',
      component: 'autocomplete',
      category: 'common',
      hint: 'Name of a DNS response code.',
      placeholder: 'NoError, NXDomain',
      examples: 'The name of a response code (NoError, NXDomain) or its number (0, 3).',
    },
  },
  {
    ...shared,
    name: 'DnsErrno',
    kind: 'u32',
    omitZero: true,
    meaning: "Errno of the datapath's DNS tracker; 0 when the message could be read.",
    proto: { path: 'dns_errno', numbers: [25] },
    cardinality: 'fine',
    otel: 'dns.errno',
    column: {
      id: 'DNSErrNo',
      name: 'DNS Error',
      group: GROUP,
      width: 5,
      renderer: 'number',
      tooltip: 'Why a DNS message could not be read; 0 when it could.',
    },
    filter: {
      id: 'dns_errno',
      name: 'DNS Error',
      component: 'autocomplete',
      category: 'common',
      hint: 'Errno of the DNS tracker.',
    },
  },
  {
    ...shared,
    name: 'DnsQueryType',
    kind: 'str',
    meaning: 'Type of record that `DnsName` was asked for: `A`, `HTTPS`, or `TYPE65280` by number.',
    proto: { path: 'dns_query_type', numbers: [120] },
    cardinality: 'fine',
    otel: 'dns.query_type',
    column: {
      id: 'DNSQueryType',
      name: 'DNS Query Type',
      group: GROUP,
      width: 5,
      renderer: 'text',
      tooltip: 'Type of record that was asked for.',
    },
    filter: {
      id: 'dns_query_type',
      name: 'DNS Query Type',
      component: 'autocomplete',
      category: 'common',
      hint: 'Type of a DNS record.',
      placeholder: 'A, AAAA',
    },
  },
  count('DnsQueries', 121, 'queries that were sent'),
  count('DnsLostQueries', 122, 'queries that nobody answered in time'),
  count('DnsRepeatedQueries', 123, 'queries that were sent again'),
  {
    ...shared,
    name: 'DnsAnswers',
    kind: 'list<str>',
    meaning: 'Addresses that the last answer has for `DnsName`, over its aliases.',
    proto: { path: 'dns_answers', numbers: [124] },
    cardinality: 'avoid',
    otel: 'dns.answers',
    column: {
      id: 'DNSAnswers',
      name: 'DNS Answers',
      group: GROUP,
      width: 15,
      renderer: 'list',
      tooltip: 'Addresses in the last answer.',
    },
    filter: {
      id: 'dns_answers',
      name: 'DNS Answers',
      component: 'text',
      category: 'common',
      hint: 'Address that DNS answered with.',
      placeholder: '192.0.2.1',
    },
  },
  named('Src', 125),
  named('Dst', 126),
];

function count(name: string, number: number, what: string): FieldSpec {
  const title = name.replace(/([a-z])([A-Z])/g, '$1 $2').replace('Dns', 'DNS');
  const words = name.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
  return {
    ...shared,
    name,
    kind: 'f64',
    unit: 'packets',
    meaning: `Number of DNS ${what}.`,
    omitZero: true,
    proto: { path: words, numbers: [number] },
    cardinality: 'avoid',
    otel: words.replace('_', '.'),
    column: {
      id: name,
      name: title,
      group: GROUP,
      width: 5,
      renderer: 'packets',
      tooltip: `Number of DNS ${what}.`,
    },
    filter: {
      id: words,
      name: title,
      component: 'number',
      category: 'common',
      hint: `Number of DNS ${what}.`,
      placeholder: '1',
    },
  };
}

function named(side: 'Src' | 'Dst', number: number): FieldSpec {
  const word = side === 'Src' ? 'source' : 'destination';
  return {
    ...shared,
    name: `${side}DnsName`,
    kind: 'str',
    meaning: `Name that was asked for and answered with the address of the ${word}.`,
    proto: { path: `${side.toLowerCase()}_dns_name`, numbers: [number] },
    cardinality: 'careful',
    otel: `${word}.dns.name`,
    column: {
      id: `${side}DnsName`,
      name: `${side === 'Src' ? 'Source' : 'Destination'} DNS Name`,
      width: 15,
      renderer: 'text',
      tooltip: `Name for which DNS answered with the address of the ${word}.`,
    },
    filter: {
      id: `${side.toLowerCase()}_dns_name`,
      name: 'DNS Name',
      component: 'text',
      category: word,
      hint: `Name for which DNS answered with the address of the ${word}.`,
      placeholder: 'www.example.com',
    },
  };
}
