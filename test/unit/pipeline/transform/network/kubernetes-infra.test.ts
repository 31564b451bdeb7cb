import { expect, test } from 'vitest';
import { appendRows } from '../../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';

const COLUMNS = ['SrcK8S_Namespace', 'SrcK8S_Name', 'DstK8S_Namespace', 'DstK8S_Name'];

async function layers(rows: readonly object[], options: object): Promise<readonly unknown[]> {
  const namespaceNameFields = ['Src', 'Dst'].map((side) => ({
    name: `${side}K8S_Name`,
    namespace: `${side}K8S_Namespace`,
  }));
  const kubernetes_infra = { namespaceNameFields, output: 'K8S_FlowLayer', ...options };
  const rules = [{ type: 'add_kubernetes_infra', kubernetes_infra }];
  const { pipeline, stores } = testPipeline(
    {
      pipeline: [
        { name: 'net', follows: 'preset-ingester' },
        { name: 'out', follows: 'net' },
      ],
      parameters: [
        { name: 'net', transform: { type: 'network', network: { rules } } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { source: COLUMNS.map((name) => ({ name, kind: 'str' })) },
  );
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, rows as never);
  pipeline.emit(batch);
  await pipeline.stop();
  return stores.a.rows.map(({ K8S_FlowLayer }) => K8S_FlowLayer);
}

const src = (namespace: string, name = 'x') => ({ SrcK8S_Namespace: namespace, SrcK8S_Name: name });
const dst = (namespace: string, name = 'x') => ({ DstK8S_Namespace: namespace, DstK8S_Name: name });

test('namespaceNameFields, infra_prefixes and infra_refs', async () => {
  const options = {
    infra_prefixes: ['netobserv', 'openshift'],
    infra_refs: [
      { namespace: 'default', name: 'kubernetes' },
      { namespace: 'default', name: 'openshift' },
    ],
  };
  const cases: readonly (readonly [object, string])[] = [
    [{}, 'infra'],
    [src(''), 'infra'],
    [src('shop'), 'app'],
    [dst('shop'), 'app'],
    [{ ...src('openshift-dns'), ...dst('shop') }, 'app'],
    [{ ...src('openshift-dns'), ...dst('netobserv') }, 'infra'],
    [{ ...src('openshift-dns'), ...dst('default', 'kubernetes') }, 'infra'],
    [dst('default', 'other'), 'app'],
    [dst('kubernetes', 'default'), 'app'],
    [{ SrcK8S_Namespace: 'default' }, 'app'],
    [{ SrcK8S_Name: 'kubernetes' }, 'infra'],
    [src('my-openshift'), 'app'],
  ];
  expect(
    await layers(
      cases.map(([row]) => row),
      options,
    ),
  ).toEqual(cases.map(([, layer]) => layer));
});

test('without prefixes and refs, any namespace is an application', async () => {
  expect(await layers([src('kube-system'), {}], {})).toEqual(['app', 'infra']);
});
