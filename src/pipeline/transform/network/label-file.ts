import { explain, NetobservError } from '../../../base/errors.ts';
import { listed } from '../../../base/shown.ts';
import { parseDocument } from '../../../config/document.ts';
import { problemLines, validate } from '../../../config/validate.ts';
import { createRenewalMetrics } from '../../../telemetry/renewals.ts';
import { RenewedFiles } from '../../../telemetry/renewed-files.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { SubnetLabelList } from '../../options/transform/network.ts';
import { ConfigProblems } from '../../problems.ts';
import type { StageContext } from '../../stage.ts';
import { type Labelled, labelled } from './labelled.ts';

/** The labels of a file, which is read again when it changes. Throws if it cannot be used. */
export function openLabelFile(
  path: string,
  context: Pick<StageContext, 'name' | 'path' | 'deps'>,
): RenewedFiles<readonly Labelled[]> {
  const { log, metrics } = context.deps;
  const renewals = createRenewalMetrics(metrics);
  const fields = { component: 'pipeline', stage: context.name, path };
  const report = {
    renewed() {
      renewals.inc({ what: 'networks', outcome: 'used' });
      log.info(fields, 'the file of networks was renewed');
    },
    refused(error: unknown) {
      renewals.inc({ what: 'networks', outcome: 'refused' });
      log.warn(
        { ...fields, error: explain(error) },
        'the new file of networks cannot be used: the old one stays',
      );
    },
  };
  try {
    return new RenewedFiles([path], ([text = '']) => readLabels(path, text), report);
  } catch (cause) {
    if (cause instanceof NetobservError) throw cause;
    const place = `${context.path}.subnetLabelsFile`;
    throw configError(PIPELINE_ERRORS.networks, place, `cannot read ${path}`, cause);
  }
}

function readLabels(path: string, text: string): readonly Labelled[] {
  const document = parseDocument(path, text);
  const { value, problems } = validate(SubnetLabelList, document.value ?? []);
  if (problems.length > 0) throw wrong(path, problemLines(problems, document));
  const found = new ConfigProblems();
  const labels = found.attempt(() => labelled(value, path));
  try {
    found.throwAll();
  } catch (error) {
    throw wrong(path, [explain(error)]);
  }
  return labels ?? [];
}

function wrong(path: string, issues: readonly string[]): NetobservError {
  return new NetobservError(PIPELINE_ERRORS.networks, listed(`wrong file ${path}`, issues), {
    details: { issues },
  });
}
