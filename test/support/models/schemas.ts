import type { Shape } from '../../../src/config/schema.ts';

/** A schema inside another one. */
export interface Part {
  readonly path: string;
  readonly shape: Shape;
  readonly isProperty: boolean;
}

/** A schema and all schemas inside it. */
export function partsOf(shape: Shape, path: string, isProperty = false): readonly Part[] {
  const { properties = {}, patternProperties = {}, items, anyOf = [] } = shape;
  return [
    { path, shape, isProperty },
    ...Object.entries(properties).flatMap(([key, one]) => partsOf(one, `${path}.${key}`, true)),
    ...Object.values(patternProperties).flatMap((one) => partsOf(one, `${path}.*`)),
    ...(items === undefined ? [] : partsOf(items, `${path}[]`)),
    ...anyOf.flatMap((one, index) => partsOf(one, `${path}(${index})`)),
  ];
}
