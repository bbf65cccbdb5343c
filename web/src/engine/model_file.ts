/**
 * What a model file says of itself; the twin of ferboost/inference/model_file.py.
 *
 * onnxruntime-web does not hand out a model's metadata, so the few fields at the top of the file,
 * which is Protocol Buffers, are read here.
 */

import type { TraitLimits } from "./traits";

const metadataField = 14;
const [keyField, valueField] = [1, 2];
const infoKey = "ferboost";
const coverage = 0.9;

export interface ModelInfo {
  /** In the order of the probabilities. */
  classes: string[];
  /** The least probability with which a class belongs to the set of a face, at 90 % coverage. */
  setThreshold: number | null;
  /** Of the training faces; null where an older version made the file. */
  limits: TraitLimits | null;
  /** On the test images of the run that are not in train, 0 to 1. */
  accuracy: number | null;
  version: string;
}

/** Read the classes, the thresholds of sets and the accuracy out of an ONNX file. */
export function readModelInfo(content: Uint8Array): ModelInfo {
  for (const [number, value] of fields(content)) {
    if (number !== metadataField) continue;
    const entry = new Map(fields(value));
    if (text(entry.get(keyField)) === infoKey) return parseInfo(text(entry.get(valueField)));
  }
  throw new Error("the model was not made by: ferboost export");
}

function parseInfo(json: string): ModelInfo {
  const info = JSON.parse(json);
  const sets = info.sets ?? null;
  const place = sets === null ? -1 : sets.coverages.findIndex((c: number) => c >= coverage - 1e-9);
  return {
    classes: info.classes,
    setThreshold: place < 0 ? null : Math.fround(sets.overall[place]),
    limits: info.limits ?? null,
    accuracy: info.metrics?.accuracy_clean ?? null,
    version: info.version,
  };
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}

function* fields(content: Uint8Array): Generator<[number, Uint8Array]> {
  let place = 0;
  const varint = (): number => {
    let number = 0;
    for (let factor = 1; place < content.length; factor *= 128) {
      const byte = content[place];
      place += 1;
      number += (byte & 0x7f) * factor;
      if (byte < 0x80) return number;
    }
    throw new Error("the model file is cut off");
  };
  while (place < content.length) {
    const tag = varint();
    const kind = tag % 8;
    let start = place;
    if (kind === 0) varint();
    else if (kind === 1) place += 8;
    else if (kind === 5) place += 4;
    else if (kind === 2) {
      const length = varint();
      start = place;
      place += length;
    } else throw new Error("the model file is damaged");
    if (place > content.length) throw new Error("the model file is cut off");
    yield [Math.floor(tag / 8), content.subarray(start, place)];
  }
}
