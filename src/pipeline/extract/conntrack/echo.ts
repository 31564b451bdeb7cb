import { appendSelected } from '../../../flow/append.ts';
import { EXTRAS, FlowBatch, isHeldName } from '../../../flow/batch.ts';
import { readValue } from '../../../flow/row.ts';
import type { Inlet } from '../../graph/inlet.ts';

/** A batch with copies of the selected flows, in their own generation of tables. */
export function echoOf(batch: FlowBatch, inlet: Inlet): FlowBatch {
  const { selected, tables } = batch;
  const taken = inlet.take();
  const isLarge = taken.capacity < selected;
  const echo = isLarge ? new FlowBatch(inlet.layout, tables, selected) : taken;
  if (isLarge) inlet.recycle(taken);
  else if (taken.tables !== tables) taken.reset(tables);
  appendSelected(echo, batch);
  if (echo.has(EXTRAS)) addOthers(echo, batch);
  return echo;
}

/** Keys of the data that only earlier stages, or this one, read have a column in `batch` alone. */
function addOthers(echo: FlowBatch, batch: FlowBatch): void {
  const { selection, selected, tables } = batch;
  const extras = echo.any(EXTRAS);
  for (const { name } of batch.layout.columns) {
    const column = echo.has(name) || isHeldName(name) ? undefined : batch.filled(name);
    if (column === undefined) continue;
    for (let i = 0; i < selected; i++) {
      const value = readValue(column, selection === undefined ? i : selection[i]!, tables);
      if (value !== undefined) extras[i] = { ...(extras[i] as object | undefined), [name]: value };
    }
  }
}
